/**
 * The live picture: draws a model with cytoscape at the places that the layout gives, and shows what is selected.
 *
 * @import { Core, NodeSingular } from "cytoscape"
 * @import { Element } from "./elements.js"
 * @import { Keep } from "./explore.js"
 * @import { Layout } from "./layout.js"
 * @import { Marks } from "./badges.js"
 * @import { Change } from "./plan.js"
 * @import { Model, Thing } from "./model.js"
 * @typedef {{source: string, target?: string | undefined, verdict: Api["Verdict"], label: string}} Journey a check as an arrow
 */
import { bowed, paired } from "./arrows.js";
import { badgeElements, badges } from "./badges.js";
import { byId, Emitter } from "./dom.js";
import { elementsOf } from "./elements.js";
import { Folds } from "./folds.js";
import { place } from "./layout.js";
import { HOST } from "./model.js";
import { styleFor } from "./theme.js";
import { showTip } from "./tip.js";
import { Viewport, viewOf } from "./viewport.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** @extends {Emitter<{choose: Thing | null}>} */
export class Picture extends Emitter {
  /** @type {Core} */
  #cy;
  #frame = byId("picture");
  /** @type {Model | null} */
  #model = null;
  #window;
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
  #folds = new Folds((all) => (all ? this.arrange() : this.draw(this.#model)));
  /** @type {Marks} */
  #marks = new Map();

  constructor() {
    super();
    this.#cy = cytoscape({
      container: this.#frame, style: styleFor(true), layout: { name: "preset" },
      minZoom: 0.1, maxZoom: 3, autoungrabify: true, boxSelectionEnabled: false, selectionType: "single",
    });
    this.#cy.on("tap", (event) => this.#tapped(event.target));
    this.#window = new Viewport(this.#cy);
    this.#cy.on("mouseover", ".chip", (event) => showTip(event.target, this.#model, this.#frame));
    this.#cy.on("mouseout viewport", () => { byId("hover").hidden = true; });
    badges.on("marks", (marks) => {
      this.#marks = marks;
      this.draw(this.#model);
    });
    new ResizeObserver(() => this.#resized()).observe(this.#frame);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(this.#model));
    byId("zoom-fit").addEventListener("click", () => this.arrange(true));
  }

  /**
   * Draw the model. Elements that were there before move to their new places.
   * @param {Model | null} model
   */
  draw(model) {
    this.#model = model;
    if (!model || !this.#frame.clientWidth) return;
    this.#folds.know(model);
    const layout = place(model, viewOf(this.#frame), this.#layout, this.#folds.has);
    const elements = [...elementsOf(model, layout), ...badgeElements(layout, this.#marks)];
    const wanted = new Map(elements.map((element) => [element.data.id, element]));
    this.#cy.batch(() => {
      this.#cy.elements().filter((element) => !wanted.has(element.id()) && !element.hasClass("journey")).remove();
      for (const element of wanted.values()) this.#put(element);
      this.#cy.style(styleFor(layout.roomy));
    });
    this.#layout = layout;
    this.#mark();
    if (!this.#window.moved) this.#window.fit(layout);
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

  /**
   * Give everything a new place, and show the picture.
   * @param {boolean} [whole] also if its text is then too small
   */
  arrange(whole = false) {
    this.#window.moved = false;
    this.#layout = null;
    this.draw(this.#model);
    if (whole && this.#layout) this.#window.fit(this.#layout, whole);
  }

  #resized() {
    this.#cy.resize();
    clearTimeout(this.#later);
    this.#later = setTimeout(() => {
      if (!this.#window.moved) this.arrange();
    }, 120);
  }

  /** @param {Core | NodeSingular} target */
  #tapped(target) {
    /** @type {Thing | null} */
    const thing = target === this.#cy ? null : (target.data("thing") ?? null);
    if (thing?.kind === "project") this.#folds.toggle(thing.id);
    else this.emit("choose", thing);
  }

  /**
   * Mark one thing and its lines. A folded project unfolds if it is in it.
   * @param {string | null} id
   */
  select(id) {
    this.#selected = id;
    if (id) this.#folds.open(id, this.#model);
    this.#mark();
    this.#window.reveal(this.#cy.nodes(".chip.chosen, .line.chosen"));
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
   * Draw a check as an arrow between two things, in unfolded projects; null removes it.
   * @param {Journey | null} found
   */
  journey(found) {
    this.#journey = found;
    if (!found) this.#changes = [];
    for (const id of [found?.source, found?.target]) if (id) this.#folds.open(id, this.#model);
    this.#mark();
    if (found) this.#window.reveal(this.#end(found.source).nodes());
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
        cy.$(".chip, .sub").filter((element) => !keep(this.#model?.containerOf.get(element.data("thing")?.id))).addClass("dim");
        cy.$(".wire, .dot").filter((element) => !keep(this.#model?.containerOf.get(element.data("of")))).addClass("dim");
      }
      const id = this.#selected;
      if (!id) return;
      cy.$(".chip, .box, .line").filter((element) => element.data("thing")?.id === id).addClass("chosen");
      cy.$(".wire, .dot").filter((element) => element.data("of") === id || element.data("on") === id).addClass("near");
    });
    // Outside of the batch: cytoscape does not draw an element that is removed and added again within one batch.
    cy.$(".journey").remove();
    const changes = paired(this.#changes).map((change, at) => ({ ...change, id: `change:${at}`, classes: `journey ${change.becomes}${change.both ? " both" : ""}` }));
    const asked = this.#journey && !changes.length ? [{ ...this.#journey, id: "journey", classes: `journey ${this.#journey.verdict}` }] : [];
    for (const { id, source, target, label, classes } of [...changes, ...asked]) {
      const [from, to] = [this.#end(source), this.#end(target)];
      if (from.nonempty() && to.nonempty() && from.id() !== to.id()) cy.add({ data: { id, ...bowed(from, to), label }, classes });
    }
  }

  /** @param {string | undefined} id */
  #end(id) {
    const folded = id && this.#folds.around(id, this.#model);
    return this.#cy.getElementById(id === HOST || folded ? `box:${folded || HOST}` : `${id}`);
  }
}
