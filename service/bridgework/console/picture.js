/** The live picture: draws a model with cytoscape at the places that the layout gives, and shows what is selected. */
import { byId } from "./dom.js";
import { bowed, elementsOf } from "./elements.js";
import { place } from "./layout.js";
import { HOST } from "./model.js";
import { styleFor } from "./theme.js";
import { showTip } from "./tip.js";

const LARGEST = 1.4;
const MARGIN = 24;
const FOOT = 62;
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Picture extends EventTarget {
  #cy;
  #frame = byId("picture");
  #model = null;
  #moved = false;
  #keep = null;
  #selected = null;
  #journey = null;

  constructor() {
    super();
    this.#cy = globalThis.cytoscape({
      container: this.#frame, style: styleFor(true), layout: { name: "preset" },
      minZoom: 0.1, maxZoom: 3, autoungrabify: true, boxSelectionEnabled: false, selectionType: "single",
    });
    this.#cy.on("tap", (event) => this.#tapped(event.target));
    this.#cy.on("dragpan scrollzoom pinchzoom", () => { this.#moved = true; });
    this.#cy.on("mouseover", ".chip", (event) => showTip(event.target, this.#model, this.#frame));
    this.#cy.on("mouseout viewport", () => { byId("hover").hidden = true; });
    new ResizeObserver(() => this.#resized()).observe(this.#frame);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(this.#model));
    byId("zoom-in").addEventListener("click", () => this.#zoom(1.3));
    byId("zoom-out").addEventListener("click", () => this.#zoom(1 / 1.3));
    byId("zoom-fit").addEventListener("click", () => this.fit());
  }

  /** Draw the model: what stays moves to its new place, what is new appears, what is gone goes. */
  draw(model) {
    if (!model || !this.#frame.clientWidth) return void (this.#model = model);
    this.#model = model;
    const view = { width: this.#frame.clientWidth - 2 * MARGIN, height: this.#frame.clientHeight - MARGIN - FOOT };
    const layout = place(model, view);
    const wanted = new Map(elementsOf(model, layout).map((element) => [element.data.id, element]));
    this.#cy.batch(() => {
      this.#cy.elements().filter((element) => !wanted.has(element.id()) && element.id() !== "journey").remove();
      for (const element of wanted.values()) this.#put(element);
      this.#cy.style(styleFor(layout.roomy));
    });
    this.#extent = { x1: 0, y1: 0, w: layout.width, h: layout.height };
    this.#mark();
    if (!this.#moved) this.fit();
  }

  #extent = null;

  #put(element) {
    const known = this.#cy.getElementById(element.data.id);
    if (known.empty()) return void this.#cy.add(element);
    known.data(element.data);
    known.classes(element.classes);
    if (!element.position) return;
    if (still.matches) known.position(element.position);
    else known.stop().animate({ position: element.position }, { duration: 250 });
  }

  /** The whole picture, but never larger than is pleasant. */
  fit() {
    this.#moved = false;
    if (!this.#extent) return;
    const { w, h: height } = this.#extent;
    const [width, tall] = [this.#cy.width(), this.#cy.height()];
    const zoom = Math.min((width - 2 * MARGIN) / w, (tall - MARGIN - FOOT) / height, LARGEST);
    this.#cy.viewport({ zoom, pan: { x: (width - w * zoom) / 2, y: (tall - height * zoom + MARGIN - FOOT) / 2 } });
  }

  #zoom(factor) {
    this.#moved = true;
    const middle = { x: this.#cy.width() / 2, y: this.#cy.height() / 2 };
    this.#cy.zoom({ level: this.#cy.zoom() * factor, renderedPosition: middle });
  }

  #resized() {
    this.#cy.resize();
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.draw(this.#model), 120);
  }

  #later = 0;

  #tapped(target) {
    const thing = target === this.#cy ? null : target.data("thing");
    this.dispatchEvent(new CustomEvent("choose", { detail: thing ?? null }));
  }

  /** Mark one thing; its lines come forward. */
  select(id) {
    this.#selected = id;
    this.#mark();
  }

  /** Dim every container that `keep` does not keep; `null` shows all. */
  filter(keep) {
    this.#keep = keep;
    this.#mark();
  }

  /** Draw a check as an arrow between two things; `null` takes it away. */
  journey(found) {
    this.#journey = found;
    this.#mark();
  }

  #mark() {
    const cy = this.#cy;
    cy.batch(() => {
      cy.elements().removeClass("chosen near dim");
      if (this.#keep) {
        const kept = (element) => this.#keep(this.#model.containerOf.get(element.data("thing")?.id));
        cy.$(".chip.container, .sub").filter((element) => !kept(element)).addClass("dim");
        cy.$(".link, .share").addClass("dim");
      }
      const chosen = this.#selected ? cy.$(`.chip, .box`).filter((element) => element.data("thing")?.id === this.#selected) : cy.collection();
      chosen.addClass("chosen");
      chosen.connectedEdges(".link, .share").addClass("near");
    });
    // Not in the batch: what is removed and added again within one is not drawn.
    cy.getElementById("journey").remove();
    const ends = this.#journey && ["source", "target"].map((end) => this.#end(this.#journey[end]));
    if (ends?.every((end) => end.nonempty()) && ends[0].id() !== ends[1].id()) {
      cy.add({ data: { id: "journey", ...bowed(...ends), label: this.#journey.label }, classes: `journey ${this.#journey.verdict}` });
    }
  }

  #end(id) {
    return this.#cy.getElementById(id === HOST ? `box:${HOST}` : `${id}`);
  }
}
