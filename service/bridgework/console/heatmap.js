/**
 * The matrix as a table with coloured cells, one for each pair: green by time, or red. Arrow keys move, Enter checks the
 * pair. Containers of one network are side by side, also if the service lists them in another order.
 *
 * @import { Cause } from "./causes.js"
 * @typedef {{id: string, name: string, home: string, node?: string | undefined}} Member a container of the matrix
 * @typedef {[number, number]} Pair row and column of a cell
 */
import { CAUSES } from "./causes.js";
import { Emitter, h, milliseconds, printable, within } from "./dom.js";
import { compare } from "./model.js";
import { reasonText } from "./reasons.js";

/** @type {Record<string, string>} */
const GLYPHS = { reachable: "✓", unreachable: "✗", inconclusive: "?", self: "·" };
/** @type {Map<string, Pair>} */
const STEPS = new Map([["ArrowUp", [-1, 0]], ["ArrowDown", [1, 0]], ["ArrowLeft", [0, -1]], ["ArrowRight", [0, 1]]]);
/** A cell is one shade darker for each of these that its time exceeds. */
const SHADES_MS = [0.1, 0.3, 1, 10];
/** Sides of a cell in pixels, and the room that is kept: beside the table for names or homes, and above it. */
const [SMALLEST, LABELLED, LARGEST, LABELS, HOMES, ABOVE] = /** @type {const} */ ([4, 13, 40, 150, 104, 340]);

/** @extends {Emitter<{pair: {source: string, destination: string}}>} `pair`: a cell was chosen */
export class HeatMap extends Emitter {
  #place;
  #readout;
  /** @type {Member[]} */
  #things = [];
  /** @type {number[]} the row of each container by its index in the service's answer */
  #order = [];
  /** @type {HTMLTableCellElement[][]} */
  #cells = [];
  /** @type {number[][]} */
  #rtts = [];
  #readable = false;
  /** @type {HTMLTableElement | null} */
  #table = null;

  /**
   * @param {HTMLElement} place
   * @param {HTMLElement} readout says what the cell under the pointer or the focus means
   */
  constructor(place, readout) {
    super();
    this.#place = place;
    this.#readout = readout;
    place.addEventListener("mouseover", (event) => this.#tell(event));
    place.addEventListener("focusin", (event) => this.#tell(event));
    place.addEventListener("click", (event) => this.#ask(event));
    place.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#sized()).observe(place);
  }

  /**
   * Draw an empty table, sorted by home and name.
   * @param {Member[]} containers
   */
  begin(containers) {
    const sorted = containers.map((one, index) => ({ ...one, index }))
      .sort((a, b) => a.home.localeCompare(b.home) || compare(a, b));
    this.#things = sorted;
    this.#order = [];
    sorted.forEach((one, at) => { this.#order[one.index] = at; });
    this.#rtts = [];
    const head = h("tr", {}, h("td", { class: "corner" }, h("span", { class: "heard" }, "from, to")),
      sorted.map((one, at) => h("th", { scope: "col", class: this.#edge(at), title: one.name }, h("span", { class: "name" }, one.name))));
    this.#cells = sorted.map((_from, row) => sorted.map((_to, column) => (
      h("td", { role: "gridcell", tabindex: row || column ? "-1" : "0", class: this.#edge(column), "data-row": row, "data-column": column }))));
    const rows = sorted.map((one, at) => h("tr", { class: this.#edge(at) }, h("th", { scope: "row", title: one.name }, h("span", { class: "name" }, one.name), this.#label(at)), this.#cells[at]));
    this.#table = h("table", { role: "grid", class: "heat", "aria-label": "Which container reaches which: rows are sources" },
      h("thead", {}, head), h("tbody", {}, rows));
    this.#place.replaceChildren(this.#table);
    this.#sized();
  }

  /**
   * The class of the row or column where another network's containers begin.
   * @param {number} at
   */
  #edge(at) {
    return at > 0 && this.#things[at]?.home !== this.#things[at - 1]?.home ? "edge" : null;
  }

  /**
   * The name of a home, beside its first row. It is shown when the rows are too small for the containers' names.
   * @param {number} at
   */
  #label(at) {
    const home = this.#things[at]?.home;
    if (at > 0 && !this.#edge(at)) return null;
    const count = this.#things.filter((one) => one.home === home).length;
    return h("span", { class: `home${count < 4 ? " small" : ""}`, "aria-hidden": "true" }, home);
  }

  /**
   * Mark a pair whose prediction was wrong.
   * @param {string} source
   * @param {string} destination
   */
  surprise(source, destination) {
    const at = (/** @type {string} */ id) => this.#things.findIndex((one) => one.id === id);
    this.#cells[at(source)]?.[at(destination)]?.classList.add("surprise");
  }

  /**
   * Fill in a row.
   * @param {number} index of the source in the service's answer, as the position in the lists is of the destination
   * @param {string[]} verdicts
   * @param {number[]} rtts in milliseconds
   * @param {string[]} causes of the unreachable ones
   * @param {Api["Undecided"][]} undecided the inconclusive ones, in groups
   */
  row(index, verdicts, rtts, causes, undecided) {
    const row = this.#order[index] ?? index;
    /** @type {number[]} */
    const times = (this.#rtts[row] = []);
    verdicts.forEach((verdict, other) => {
      const column = this.#order[other] ?? other;
      const cell = this.#cells[row]?.[column];
      const rtt = rtts[other] ?? 0;
      times[column] = rtt;
      if (!cell) return;
      const shade = verdict === "reachable" ? ` t${SHADES_MS.filter((limit) => rtt > limit).length}` : "";
      cell.className = `${verdict}${shade} ${causes[other] ?? ""} ${this.#edge(column) ?? ""}`;
      cell.textContent = GLYPHS[verdict] ?? "";
    });
    for (const { reason, predicted, destinations } of undecided) {
      for (const other of destinations) {
        const cell = this.#cells[row]?.[this.#order[other] ?? other];
        if (cell) cell.title = `${reasonText(reason)}; predicted ${predicted}`;
      }
    }
  }

  /** @param {boolean} on whether cells are large enough for their signs, and the table is scrolled */
  readable(on) {
    this.#readable = on;
    this.#sized();
  }

  /** Fit the whole table into the view unless large cells are wanted. Names are shown if the cells have room for them. */
  #sized() {
    if (!this.#table) return;
    const room = (this.#place.clientWidth - LABELS - 4) / this.#things.length;
    const across = (this.#place.clientWidth - HOMES - 12) / this.#things.length;
    const down = (globalThis.innerHeight - ABOVE) / this.#things.length;
    const whole = room >= LABELLED ? room : Math.min(across, down);
    const size = this.#readable ? Math.max(18, room) : whole;
    const cell = Math.max(SMALLEST, Math.min(LARGEST, size));
    this.#table.style.setProperty("--cell", `${cell}px`);
    this.#table.classList.toggle("nameless", cell < LABELLED);
  }

  /**
   * @param {Event} event
   * @returns {Pair | null}
   */
  #pair(event) {
    const { row, column } = within(event, "td[data-row]")?.dataset ?? {};
    return row === undefined ? null : [Number(row), Number(column)];
  }

  /** @param {Event} event */
  #tell(event) {
    const [row, column] = this.#pair(event) ?? [-1, -1];
    const [from, to] = [this.#things[row], this.#things[column]];
    if (!from || !to) return;
    const by = from.node ? `, measured by ${from.node}` : "";
    const [verdict = "", cause = ""] = this.#cells[row]?.[column]?.className.split(" ") ?? [];
    const rtt = this.#rtts[row]?.[column];
    const why = this.#cells[row]?.[column]?.title || (cause in CAUSES && CAUSES[/** @type {Cause} */ (cause)]);
    this.#readout.textContent = printable(from === to ? from.name : `${from.name} (${from.home}) → ${to.name} (${to.home}): ${GLYPHS[verdict] ? verdict : "not measured yet"}${why ? `, ${why}` : ""}${rtt ? `, ${milliseconds(rtt)}` : ""}${by}`);
  }

  /** @param {Event} event */
  #ask(event) {
    const pair = this.#pair(event);
    if (!pair || pair[0] === pair[1]) return;
    this.#focus(pair);
    const [source, destination] = [this.#things[pair[0]], this.#things[pair[1]]];
    if (source && destination) this.emit("pair", { source: source.id, destination: destination.id });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const pair = this.#pair(event);
    if (!pair) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.#ask(event);
    }
    const [down, right] = STEPS.get(event.key) ?? [0, 0];
    if (!down && !right) return;
    event.preventDefault();
    const inside = (/** @type {number} */ at) => Math.min(Math.max(at, 0), this.#things.length - 1);
    this.#focus([inside(pair[0] + down), inside(pair[1] + right)]);
  }

  /**
   * Move the focus, and leave one cell in the order of the Tab key.
   * @param {Pair} pair
   */
  #focus([row, column]) {
    for (const before of this.#table?.querySelectorAll('td[tabindex="0"]') ?? []) before.setAttribute("tabindex", "-1");
    const cell = this.#cells[row]?.[column];
    cell?.setAttribute("tabindex", "0");
    cell?.focus();
  }
}
