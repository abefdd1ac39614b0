/**
 * The matrix: measures all pairs, draws each row when it comes, and lists at the end the pairs whose prediction was wrong.
 *
 * @import { Aim } from "./check.js"
 * @import { Member } from "./heatmap.js"
 * @import { Model, Network } from "./model.js"
 * @typedef {{scope: HTMLSelectElement, protocol: HTMLSelectElement, port: HTMLInputElement, by: HTMLSelectElement}} Fields
 */
import { documents, Problem } from "./api.js";
import { isAbort, ticking } from "./asking.js";
import { announce, byId, Emitter, h, milliseconds, plural, problemNote, replace } from "./dom.js";
import { linked, relink } from "./link.js";
import { compare, HOST, isDrawn } from "./model.js";
import { findingCard } from "./findings.js";
import { HeatMap } from "./heatmap.js";

/** The answer's verdicts in the order in which the summary counts them. */
const VERDICTS = /** @type {const} */ (["reachable", "unreachable", "inconclusive"]);
const SURPRISES_SHOWN = 20;

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
    this.#map.on("pair", (pair) => {
      const { protocol, by, port } = this.#fields;
      const kind = by.value === "name" ? "name" : "container";
      this.emit("check", { ...pair, kind, protocol: protocol.value, port: protocol.value === "tcp" ? port.value : "" });
    });
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
  #take({ type, containers = [], index = 0, verdicts = [], rtt_ms: rtts = [], summary, surprises = [], duration_ms: duration = 0, partial = [] }) {
    if (type === "start") {
      [this.#done, this.#total] = [0, containers.length];
      this.#map.begin(containers.map((one) => this.#member(one)));
    } else if (type === "row") {
      this.#done += 1;
      this.#map.row(index, verdicts, rtts);
      this.#progress(this.#done, this.#total, `${this.#done} of ${plural(this.#total, "row")} · ${plural(this.#done * (this.#total - 1), "pair")}`);
    } else if (type === "end" && summary) this.#end(summary, surprises, duration, partial);
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
   * @param {Api["Surprise"][]} surprises
   * @param {number} duration in milliseconds
   * @param {Api["Gap"][]} partial nodes that did not answer
   */
  #end(summary, surprises, duration, partial) {
    const counts = VERDICTS.filter((verdict) => summary[verdict]);
    const text = `${plural(summary.pairs, "pair")} in ${milliseconds(duration)}: ${counts.map((verdict) => `${summary[verdict].toLocaleString("en")} ${verdict}`).join(", ")}.`;
    this.#progress(0, 0, text);
    announce(text);
    for (const one of surprises) this.#map.surprise(one.source.id, one.destination.id);
    replace(byId("matrix-end"),
      partial.length > 0 && h("div", { class: "note warn" }, h("p", {}, h("strong", {}, "Some nodes did not answer. The pairs that they would have measured are marked “?”.")),
        h("ul", {}, partial.map((gap) => h("li", {}, `${this.#model?.nodeNames.get(gap.node) ?? gap.node}: ${gap.reason}`)))),
      h("h3", {}, summary.surprises ? `${plural(summary.surprises, "surprise")}: the measurement differs from the prediction` : "No surprises: every pair is as the engine’s state predicts."),
      surprises.slice(0, SURPRISES_SHOWN).map((one) => h("details", {},
        h("summary", {}, `${one.source.name} → ${one.destination.name}: predicted ${one.predicted}, measured ${one.measured}`),
        one.findings.map((finding) => findingCard(finding)))),
      surprises.length > SURPRISES_SHOWN && h("p", { class: "quiet" }, `… and ${summary.surprises - SURPRISES_SHOWN} more.`));
  }
}
