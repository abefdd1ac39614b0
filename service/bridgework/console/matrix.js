/** The matrix: asks for all pairs, draws each row as it comes, and says at the end what surprised. */
import { documents } from "./api.js";
import { ticking } from "./asking.js";
import { announce, byId, h, milliseconds, plural, problemNote, replace } from "./dom.js";
import { compare, HOST, isDrawn } from "./model.js";
import { findingCard } from "./findings.js";
import { HeatMap } from "./heatmap.js";

export class Matrix extends EventTarget {
  #form = byId("matrix-form");
  #model = null;
  #running = null;
  #map = new HeatMap(byId("heatmap"), byId("readout"));

  constructor() {
    super();
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#running) this.#running.abort();
      else this.#run();
    });
    this.#form.addEventListener("change", () => {
      byId("matrix-port").hidden = this.#form.elements.protocol.value !== "tcp";
    });
    byId("cells").addEventListener("change", (event) => this.#map.readable(event.target.checked));
    this.#map.addEventListener("pair", ({ detail }) => {
      const { protocol, by, port } = this.#form.elements;
      const kind = by.value === "name" ? "name" : "container";
      this.dispatchEvent(new CustomEvent("check", { detail: { ...detail, kind, protocol: protocol.value, port: protocol.value === "tcp" ? port.value : "" } }));
    });
  }

  update(model) {
    this.#model = model;
    const scope = this.#form.elements.scope;
    const chosen = scope.value;
    const there = (network) => [...model.elsewhere.values()].filter((one) => one.endpoints.some((end) => end.network.id === network.id));
    const networks = model.networks.filter((one) => isDrawn(one) && one.members.length + there(one).length > 1).sort(compare);
    scope.replaceChildren(h("option", { value: "" }, "all containers"), ...networks.map((one) => h("option", { value: one.id }, `on ${one.name}`)));
    scope.value = networks.some((one) => one.id === chosen) ? chosen : "";
  }

  #question() {
    const { scope, protocol, port, by } = this.#form.elements;
    const body = { ...(scope.value ? { network: scope.value } : { all: true }), protocol: protocol.value, by: by.value };
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
      if (problem.name === "AbortError") this.#progress(0, 0, "Stopped; the rows that came are shown.");
      else if (problem.status === undefined && !(problem instanceof TypeError)) throw problem;
      else replace(byId("matrix-end"), problemNote(problem));
    } finally {
      end();
      byId("matrix-clock").textContent = "";
      this.#running = null;
      button.textContent = "Measure";
      byId("progress").hidden = true;
    }
  }

  #rows = [0, 0];

  #take(line) {
    if (line.type === "start") {
      this.#rows = [0, line.containers.length];
      this.#map.begin(line.containers.map((one) => this.#known(one)));
    } else if (line.type === "row") {
      this.#rows[0] += 1;
      this.#map.row(line);
      const [done, total] = this.#rows;
      this.#progress(done, total, `${done} of ${plural(total, "row")} · ${plural(done * (total - 1), "pair")}`);
    } else if (line.type === "end") this.#end(line);
  }

  /** With its home, so that containers of one network, and of one node, stand together. */
  #known(one) {
    const container = this.#model.known(one.id);
    const home = container?.network ?? this.#model.networkOf.get(container?.home)?.name ?? { [HOST]: "the host" }[container?.home] ?? "no network";
    return { ...one, home: container?.node ? `${home} on ${container.node}` : home, node: container?.node };
  }

  #progress(done, total, text) {
    const bar = byId("progress");
    bar.hidden = total === 0;
    bar.max = Math.max(total, 1);
    bar.value = done;
    byId("matrix-status").textContent = text;
  }

  #end({ summary, surprises, duration_ms: duration, partial = [] }) {
    const counts = ["reachable", "unreachable", "inconclusive"].filter((verdict) => summary[verdict]);
    const text = `${plural(summary.pairs, "pair")} in ${milliseconds(duration)}: ${counts.map((verdict) => `${summary[verdict].toLocaleString("en")} ${verdict}`).join(", ")}.`;
    this.#progress(0, 0, text);
    announce(text);
    for (const one of surprises) this.#map.surprise(one.source.id, one.destination.id);
    replace(byId("matrix-end"),
      partial.length > 0 && h("div", { class: "note warn" }, h("p", {}, h("strong", {}, "Some nodes did not answer; what they would have measured is “?”.")),
        h("ul", {}, partial.map((gap) => h("li", {}, `${this.#model.nodeNames.get(gap.node) ?? gap.node}: ${gap.reason}`)))),
      h("h3", {}, summary.surprises ? `${plural(summary.surprises, "surprise")}: predicted otherwise` : "No surprises: every pair is as the engine’s state predicts."),
      surprises.slice(0, 20).map((one) => h("details", {},
        h("summary", {}, `${one.source.name} → ${one.destination.name}: predicted ${one.predicted}, measured ${one.measured}`),
        one.findings.map((finding) => findingCard(finding)))),
      surprises.length > 20 && h("p", { class: "quiet" }, `… and ${summary.surprises - 20} more.`));
  }
}
