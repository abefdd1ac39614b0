/**
 * The matrix as a table that is a heat map: one cell a pair, green by time or red. Arrow keys move, Enter asks about
 * the pair. Containers of one network stand together, whatever order the service lists them in.
 */
import { h, milliseconds } from "./dom.js";

const GLYPHS = { reachable: "✓", unreachable: "✗", inconclusive: "?", self: "·" };
const SHADES_MS = [0.1, 0.3, 1, 10];
const [SMALLEST, LABELLED, LARGEST, LABELS, HOMES, ABOVE] = [4, 13, 40, 150, 104, 340];

export class HeatMap extends EventTarget {
  #place;
  #readout;
  #things = [];
  #order = [];
  #cells = [];
  #rtts = [];
  #readable = false;
  #table = null;

  constructor(place, readout) {
    super();
    this.#place = place;
    this.#readout = readout;
    place.addEventListener("mouseover", (event) => this.#tell(event.target));
    place.addEventListener("focusin", (event) => this.#tell(event.target));
    place.addEventListener("click", (event) => this.#ask(event.target));
    place.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#sized()).observe(place);
  }

  /** An empty table, sorted by home and name. */
  begin(containers) {
    const sorted = containers.map((one, index) => ({ ...one, index }))
      .sort((a, b) => a.home.localeCompare(b.home) || a.name.localeCompare(b.name, "en", { numeric: true }));
    this.#things = sorted;
    this.#order = [];
    sorted.forEach((one, at) => { this.#order[one.index] = at; });
    this.#rtts = [];
    const head = h("tr", {}, h("td", { class: "corner" }, h("span", { class: "heard" }, "from, to")),
      sorted.map((one, at) => h("th", { scope: "col", class: this.#edge(at), title: one.name }, h("span", { class: "name" }, one.name))));
    this.#cells = sorted.map((_, row) => sorted.map((_, column) => (
      h("td", { role: "gridcell", tabindex: row || column ? "-1" : "0", class: this.#edge(column), "data-row": row, "data-column": column }))));
    const rows = sorted.map((one, at) => h("tr", { class: this.#edge(at) }, h("th", { scope: "row", title: one.name }, h("span", { class: "name" }, one.name), this.#label(at)), this.#cells[at]));
    this.#table = h("table", { role: "grid", class: "heat", "aria-label": "Which container reaches which: rows are sources" },
      h("thead", {}, head), h("tbody", {}, rows));
    this.#place.replaceChildren(this.#table);
    this.#sized();
  }

  /** Where another network's containers begin. */
  #edge(at) {
    return at > 0 && this.#things[at].home !== this.#things[at - 1].home ? "edge" : null;
  }

  /** The name of a home, beside its first row; seen where the rows themselves are too small to be named. */
  #label(at) {
    if (at > 0 && !this.#edge(at)) return null;
    const count = this.#things.filter((one) => one.home === this.#things[at].home).length;
    return h("span", { class: `home${count < 4 ? " small" : ""}`, "aria-hidden": "true" }, this.#things[at].home);
  }

  /** Pairs that the prediction got wrong stand out. */
  surprise(source, destination) {
    const at = (id) => this.#things.findIndex((one) => one.id === id);
    this.#cells[at(source)]?.[at(destination)]?.classList.add("surprise");
  }

  row({ index, verdicts, rtt_ms: rtts }) {
    const row = this.#order[index];
    this.#rtts[row] = [];
    verdicts.forEach((verdict, other) => {
      const column = this.#order[other];
      const cell = this.#cells[row][column];
      const rtt = rtts[other];
      this.#rtts[row][column] = rtt;
      const shade = verdict === "reachable" ? ` t${SHADES_MS.filter((limit) => (rtt ?? 0) > limit).length}` : "";
      cell.className = `${verdict}${shade} ${this.#edge(column) ?? ""}`;
      cell.textContent = GLYPHS[verdict];
    });
  }

  readable(on) {
    this.#readable = on;
    this.#sized();
  }

  /** The whole map at once, unless readable cells were asked for; names appear where they can be read. */
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

  #pair(target) {
    const { row, column } = target.closest?.("td[data-row]")?.dataset ?? {};
    return row === undefined ? null : [Number(row), Number(column)];
  }

  #tell(target) {
    const pair = this.#pair(target);
    if (!pair) return;
    const [from, to] = pair.map((at) => this.#things[at]);
    const by = from.node ? `, measured by ${from.node}` : "";
    const verdict = this.#cells[pair[0]][pair[1]].className.split(" ")[0];
    const rtt = this.#rtts[pair[0]]?.[pair[1]];
    this.#readout.textContent = from === to ? from.name : `${from.name} (${from.home}) → ${to.name} (${to.home}): ${GLYPHS[verdict] ? verdict : "not measured yet"}${rtt ? `, ${milliseconds(rtt)}` : ""}${by}`;
  }

  #ask(target) {
    const pair = this.#pair(target);
    if (!pair || pair[0] === pair[1]) return;
    this.#focus(pair);
    const [source, destination] = pair.map((at) => this.#things[at].id);
    this.dispatchEvent(new CustomEvent("pair", { detail: { source, destination } }));
  }

  #key(event) {
    const pair = this.#pair(event.target);
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (pair && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      this.#ask(event.target);
    }
    if (!pair || !step) return;
    event.preventDefault();
    this.#focus(pair.map((at, axis) => Math.min(Math.max(at + step[axis], 0), this.#things.length - 1)));
  }

  #focus([row, column]) {
    for (const cell of this.#table.querySelectorAll('td[tabindex="0"]')) cell.tabIndex = -1;
    const cell = this.#cells[row][column];
    cell.tabIndex = 0;
    cell.focus();
  }
}
