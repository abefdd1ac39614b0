/**
 * The matrix: measures all pairs, draws each row when it comes, and lists at the end the pairs whose prediction was wrong.
 *
 * @import { Pair } from "./causes.js"
 * @import { Aim } from "./check.js"
 * @import { Member } from "./heatmap.js"
 * @import { Model, Network } from "./model.js"
 * @typedef {{scope: HTMLSelectElement, protocol: HTMLSelectElement, port: HTMLInputElement, by: HTMLSelectElement}} Fields
 */
import { documents, Problem } from "./api.js";
import { isAbort, ticking } from "./asking.js";
import { causeOf, Unreachable } from "./causes.js";
import { announce, byId, Emitter, h, milliseconds, plural, problemNote, replace } from "./dom.js";
import { linked, relink } from "./link.js";
import { compare, HOST, isDrawn } from "./model.js";
import { HeatMap } from "./heatmap.js";
import { verdictsView } from "./verdicts.js";

/** The answer's verdicts in the order in which the summary counts them. */
const VERDICTS = /** @type {const} */ (["reachable", "unreachable", "inconclusive"]);

/** @extends {Emitter<{check: Aim}>} `check`: a pair was chosen */
export class Matrix extends Emitter {
  #form = byId("matrix-form", HTMLFormElement);
  #fields = /** @type {HTMLFormControlsCollection & Fields} */ (this.#form.elements);
  #bar = byId("progress", HTMLProgressElement);
  /** @type {Model | null} */
  #model = null;
  #project = "";
  /** @type {AbortController | null} */
  #running = null;
  #map = new HeatMap(byId("heatmap"), byId("readout"));
  /** @type {Member[]} */
  #members = [];
  #unreachable = new Unreachable();

  constructor() {
    super();
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#running) this.#running.abort();
      else this.#run();
    });
    for (const field of this.#linked()) if (linked(`matrix-${field.name}`)) field.value = linked(`matrix-${field.name}`);
    this.#form.addEventListener("change", () => this.#shape());
    const cells = byId("cells", HTMLInputElement);
    cells.addEventListener("change", () => this.#map.readable(cells.checked));
    this.#map.on("pair", (pair) => this.#check(pair));
  }

  /** The fields that the page's address holds. The network is held by its name. */
  #linked() {
    const { protocol, port, by } = this.#fields;
    return [protocol, port, by];
  }

  #shape() {
    const { scope, protocol } = this.#fields;
    byId("matrix-port").hidden = protocol.value !== "tcp";
    const network = this.#model?.networkOf.get(scope.value)?.name ?? "";
    relink({ "matrix-scope": network, ...Object.fromEntries(this.#linked().map(({ name, value }) => [`matrix-${name}`, value])) });
  }

  /**
   * @param {Model} model
   * @param {string} project that the page shows alone
   */
  update(model, project) {
    this.#project = project;
    const { scope } = this.#fields;
    const chosen = this.#model ? scope.value : model.networks.find((one) => one.name === linked("matrix-scope"))?.id;
    this.#model = model;
    byId("matrix-port").hidden = this.#fields.protocol.value !== "tcp";
    const there = (/** @type {Network} */ network) => [...model.elsewhere.values()].filter((one) => one.endpoints.some((end) => end.network.id === network.id));
    const networks = model.networks.filter((one) => isDrawn(one) && one.members.length + there(one).length > 1).sort(compare);
    scope.replaceChildren(h("option", { value: "" }, project ? `containers of ${project}` : "all containers"), ...networks.map((one) => h("option", { value: one.id }, `on ${one.name}`)));
    scope.value = networks.find((one) => one.id === chosen)?.id ?? "";
  }

  #question() {
    const { scope, protocol, port, by } = this.#fields;
    const all = this.#project ? { containers: this.#model?.containers.map((one) => one.id) } : { all: true };
    const body = { ...(scope.value ? { network: scope.value } : all), protocol: protocol.value, by: by.value };
    return protocol.value === "tcp" ? { ...body, port: Number(port.value) } : body;
  }

  async #run() {
    this.#running = new AbortController();
    const button = byId("matrix-run");
    button.textContent = "Stop";
    replace(byId("matrix-end"));
    this.#progress(0, 1, "Starting …");
    const end = ticking(byId("matrix-clock"));
    try {
      for await (const line of documents("/v1/connectivity/matrix", this.#question(), this.#running.signal)) this.#take(line);
    } catch (problem) {
      if (isAbort(problem)) this.#progress(0, 0, "Stopped. The table shows the rows that were measured.");
      else if (problem instanceof Problem) replace(byId("matrix-end"), problemNote(problem));
      else if (problem instanceof TypeError) replace(byId("matrix-end"), h("p", { class: "note bad", role: "alert" }, "The connection to the service was cut."));
      else throw problem;
    } finally {
      end();
      byId("matrix-clock").textContent = "";
      this.#running = null;
      button.textContent = "Measure";
      this.#bar.hidden = true;
    }
  }

  #done = 0;
  #total = 0;

  /** @param {Api["MatrixLine"]} line */
  #take(line) {
    const { type, containers = [], index = 0, verdicts = [], rtt_ms: rtts = [], undecided = [], summary } = line;
    if (type === "start") {
      [this.#done, this.#total] = [0, containers.length];
      this.#members = containers.map((one) => this.#member(one));
      this.#unreachable = new Unreachable();
      this.#map.begin(this.#members);
    } else if (type === "row") {
      this.#done += 1;
      this.#map.row(index, verdicts, rtts, verdicts.map((verdict, other) => (verdict === "unreachable" ? this.#cause(index, other) : "")), undecided);
      this.#progress(this.#done, this.#total, `${this.#done} of ${plural(this.#total, "row")} · ${plural(this.#done * (this.#total - 1), "pair")}`);
    } else if (type === "end" && summary) this.#end(summary, line);
  }

  /**
   * The cause of an unreachable pair, which is counted.
   * @param {number} row
   * @param {number} column
   */
  #cause(row, column) {
    const [source, destination] = [this.#members[row], this.#members[column]];
    if (!source || !destination || !this.#model) return "other";
    const pair = { source: source.id, destination: destination.id };
    const cause = causeOf(pair, this.#model, this.#fields.by.value === "name");
    this.#unreachable.add(cause, `${source.home} → ${destination.home}`, pair);
    return cause;
  }

  /**
   * Check a pair as the matrix did.
   * @param {Pair} pair
   */
  #check(pair) {
    const { protocol, by, port } = this.#fields;
    const kind = by.value === "name" ? "name" : "container";
    this.emit("check", { ...pair, kind, protocol: protocol.value, port: protocol.value === "tcp" ? port.value : "" });
  }

  /**
   * Add a container's home, by which the table is sorted: first by network, then by node.
   * @param {Api["Reference"]} one
   * @returns {Member}
   */
  #member(one) {
    const container = this.#model?.known(one.id);
    const network = container && (container.homeName ?? this.#model?.networkOf.get(container.home)?.name);
    const home = network ?? (container?.home === HOST ? "the host" : "no network");
    return { ...one, home: container?.node ? `${home} on ${container.node}` : home, node: container?.node };
  }

  /**
   * @param {number} done
   * @param {number} total
   * @param {string} text
   */
  #progress(done, total, text) {
    this.#bar.hidden = total === 0;
    this.#bar.max = Math.max(total, 1);
    this.#bar.value = done;
    byId("matrix-status").textContent = text;
  }

  /**
   * @param {Api["MatrixSummary"]} summary
   * @param {Api["MatrixLine"]} line the last one, with the summary
   */
  #end(summary, line) {
    const { surprises = [], duration_ms: duration = 0 } = line;
    const counts = VERDICTS.filter((verdict) => summary[verdict]);
    const text = `${plural(summary.pairs, "pair")} in ${milliseconds(duration)}: ${counts.map((verdict) => `${summary[verdict].toLocaleString("en")} ${verdict}`).join(", ")}.`;
    this.#progress(0, 0, text);
    announce(text);
    for (const one of surprises) this.#map.surprise(one.source.id, one.destination.id);
    replace(byId("matrix-end"), verdictsView(line, this.#unreachable, this.#model, (pair) => this.#check(pair)));
  }
}
