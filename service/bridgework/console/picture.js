/**
 * The live picture: draws a model with cytoscape at the places that the layout gives, and shows what is selected.
 *
 * @import { Core, NodeSingular } from "cytoscape"
 * @import { Element } from "./elements.js"
 * @import { Keep } from "./explore.js"
 * @import { Layout } from "./layout.js"
 * @import { Change } from "./plan.js"
 * @import { Model, Thing } from "./model.js"
 * @typedef {{source: string, target?: string | undefined, verdict: Api["Verdict"], label: string}} Journey a check as an arrow
 */
import { byId, Emitter } from "./dom.js";
import { bowed, elementsOf } from "./elements.js";
import { place } from "./layout.js";
import { HOST } from "./model.js";
import { styleFor } from "./theme.js";
import { showTip } from "./tip.js";

const LARGEST = 1.4;
const MARGIN = 24;
const FOOT = 62;
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** @extends {Emitter<{choose: Thing | null}>} */
export class Picture extends Emitter {
  /** @type {Core} */
  #cy;
  #frame = byId("picture");
  /** @type {Model | null} */
  #model = null;
  /** Whether a person moved or zoomed the picture: it then stays where it is. */
  #moved = false;
  /** @type {Keep | null} */
  #keep = null;
  /** @type {string | null} */
  #selected = null;
  /** @type {Journey | null} */
  #journey = null;
  /** @type {Change[]} */
  #changes = [];
  /** @type {Layout | null} */
  #layout = null;
  #later = 0;

  constructor() {
    super();
    this.#cy = cytoscape({
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
    byId("zoom-fit").addEventListener("click", () => this.arrange());
  }

  /**
   * Draw the model. Elements that were there before move to their new places.
   * @param {Model | null} model
   */
  draw(model) {
    this.#model = model;
    if (!model || !this.#frame.clientWidth) return;
    const view = { width: this.#frame.clientWidth - 2 * MARGIN, height: this.#frame.clientHeight - MARGIN - FOOT };
    const layout = place(model, view, this.#layout);
    const wanted = new Map(elementsOf(model, layout).map((element) => [element.data.id, element]));
    this.#cy.batch(() => {
      this.#cy.elements().filter((element) => !wanted.has(element.id()) && !element.hasClass("journey")).remove();
      for (const element of wanted.values()) this.#put(element);
      this.#cy.style(styleFor(layout.roomy));
    });
    this.#layout = layout;
    this.#mark();
    if (!this.#moved) this.fit();
  }

  /** @param {Element} element */
  #put(element) {
    const known = this.#cy.getElementById(element.data.id);
    if (known.empty()) {
      this.#cy.add(/** @type {import("cytoscape").ElementDefinition} */ (element));
      return;
    }
    known.data(element.data);
    known.classes(element.classes);
    if (!element.position) return;
    if (still.matches) known.position(element.position);
    else known.stop().animate({ position: element.position }, { duration: 250 });
  }

  /** Give everything a new place, and show the whole picture. */
  arrange() {
    this.#moved = false;
    this.#layout = null;
    this.draw(this.#model);
  }

  /** Show the whole picture, enlarged by at most LARGEST. */
  fit() {
    if (!this.#layout) return;
    const { width: w, height } = this.#layout;
    const [width, tall] = [this.#cy.width(), this.#cy.height()];
    const zoom = Math.min((width - 2 * MARGIN) / w, (tall - MARGIN - FOOT) / height, LARGEST);
    this.#cy.viewport({ zoom, pan: { x: (width - w * zoom) / 2, y: (tall - height * zoom + MARGIN - FOOT) / 2 } });
  }

  /** @param {number} factor */
  #zoom(factor) {
    this.#moved = true;
    const middle = { x: this.#cy.width() / 2, y: this.#cy.height() / 2 };
    this.#cy.zoom({ level: this.#cy.zoom() * factor, renderedPosition: middle });
  }

  #resized() {
    this.#cy.resize();
    clearTimeout(this.#later);
    this.#later = setTimeout(() => {
      if (this.#moved) return;
      this.arrange();
    }, 120);
  }

  /** @param {Core | NodeSingular} target */
  #tapped(target) {
    this.emit("choose", target === this.#cy ? null : (target.data("thing") ?? null));
  }

  /**
   * Mark one thing and its lines.
   * @param {string | null} id
   */
  select(id) {
    this.#selected = id;
    this.#mark();
  }

  /**
   * Dim every container that `keep` does not keep; null dims none.
   * @param {Keep | null} keep
   */
  filter(keep) {
    this.#keep = keep;
    this.#mark();
  }

  /**
   * Draw a check as an arrow between two things; null removes it.
   * @param {Journey | null} found
   */
  journey(found) {
    this.#journey = found;
    if (!found) this.#changes = [];
    this.#mark();
  }

  /**
   * Draw what a plan would change: what becomes reachable, and what no longer is.
   * @param {Change[]} changes
   */
  plan(changes) {
    this.#changes = changes;
    this.#mark();
  }

  #mark() {
    const cy = this.#cy;
    cy.batch(() => {
      cy.elements().removeClass("chosen near dim");
      if (this.#keep) {
        const keep = this.#keep;
        cy.$(".chip.container, .sub").filter((element) => !keep(this.#model?.containerOf.get(element.data("thing")?.id))).addClass("dim");
        cy.$(".link, .share").addClass("dim");
      }
      const chosen = this.#selected ? cy.$(`.chip, .box`).filter((element) => element.data("thing")?.id === this.#selected) : cy.collection();
      chosen.addClass("chosen");
      chosen.connectedEdges(".link, .share").addClass("near");
    });
    // Outside of the batch: cytoscape does not draw an element that is removed and added again within one batch.
    cy.$(".journey").remove();
    const changes = this.#changes.map((change, at) => ({ ...change, id: `change:${at}`, classes: `journey ${change.becomes}` }));
    const asked = this.#journey && !changes.length ? [{ ...this.#journey, id: "journey", classes: `journey ${this.#journey.verdict}` }] : [];
    for (const { id, source, target, label, classes } of [...changes, ...asked]) {
      const [from, to] = [this.#end(source), this.#end(target)];
      if (from.nonempty() && to.nonempty() && from.id() !== to.id()) cy.add({ data: { id, ...bowed(from, to), label }, classes });
    }
  }

  /** @param {string | undefined} id */
  #end(id) {
    return this.#cy.getElementById(id === HOST ? `box:${HOST}` : `${id}`);
  }
}
