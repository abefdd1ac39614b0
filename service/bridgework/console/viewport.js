/**
 * Which part of the picture is seen, and how large.
 *
 * @import { Core, NodeCollection } from "cytoscape"
 * @import { Layout, View } from "./layout.js"
 */
import { byId } from "./dom.js";

const LARGEST = 1.4;
const MARGIN = 24;
const STEP = 1.3;

/** The room for the picture in its frame. @param {HTMLElement} frame @returns {View} */
export const viewOf = (frame) => ({ width: frame.clientWidth - 2 * MARGIN, height: frame.clientHeight - 2 * MARGIN });

export class Viewport {
  /** Whether a person moved or zoomed the picture: it then stays where it is. */
  moved = false;
  #cy;

  /** @param {Core} cy */
  constructor(cy) {
    this.#cy = cy;
    cy.on("dragpan scrollzoom pinchzoom", () => { this.moved = true; });
    byId("zoom-in").addEventListener("click", () => this.#zoom(STEP));
    byId("zoom-out").addEventListener("click", () => this.#zoom(1 / STEP));
  }

  /**
   * Show the picture, enlarged by at most LARGEST, from its top if it is higher than the view.
   * @param {Layout} layout
   * @param {boolean} [whole] also if the text is then too small
   */
  fit({ width: w, height: h, zoom: readable }, whole = false) {
    const [width, height] = [this.#cy.width(), this.#cy.height()];
    const all = Math.min((width - 2 * MARGIN) / w, (height - 2 * MARGIN) / h);
    const zoom = Math.min(whole ? all : readable, LARGEST);
    this.#cy.viewport({ zoom, pan: { x: (width - w * zoom) / 2, y: Math.max(MARGIN, (height - h * zoom) / 2) } });
  }

  /**
   * Move the first of these into the view, if it is not there.
   * @param {NodeCollection} chosen
   */
  reveal(chosen) {
    const [first] = chosen.toArray();
    if (!first || !this.#cy.width()) return;
    const { x1, y1, x2, y2 } = this.#cy.extent();
    const { x, y } = first.position();
    if (x > x1 && x < x2 && y > y1 && y < y2) return;
    this.moved = true;
    this.#cy.center(first);
  }

  /** @param {number} factor */
  #zoom(factor) {
    this.moved = true;
    const middle = { x: this.#cy.width() / 2, y: this.#cy.height() / 2 };
    this.#cy.zoom({ level: this.#cy.zoom() * factor, renderedPosition: middle });
  }
}
