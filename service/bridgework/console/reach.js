/**
 * "Who can reach it?" and "What can it reach?": every container, the host and the LAN, by every address, with the step
 * that lets the packet through or stops it. The service predicts it and sends nothing, so a link may ask it.
 *
 * @import { Model } from "./model.js"
 * @typedef {{find: RadioNodeList, of: HTMLInputElement, protocol: HTMLSelectElement, port: HTMLInputElement, show: HTMLSelectElement}} Fields
 * @typedef {{find: string, of: string, protocol?: string, port?: string}} Wanted fields to set; `of` is the name of a container, or `host`
 * @typedef {{groups: Api["QueryGroup"][], exposure: Api["Exposure"][], limited: Api["Limitation"][]}} Answer
 */
import { call } from "./api.js";
import { Asking } from "./asking.js";
import { announce, byId, Emitter, h, plural, replace } from "./dom.js";
import { choices, HOST_NAME } from "./ends.js";
import { limitedView } from "./limited.js";
import { linked, relink } from "./link.js";
import { HOST } from "./model.js";
import { rowsOf } from "./reachrows.js";
import { reachView } from "./reachview.js";

const PAGE = 1000;
/** The verdicts of each choice. What cannot be told may be open, so it is shown with what is reachable. */
const SHOWN = new Map([["all", ["reachable", "inconclusive", "unreachable"]], ["open", ["reachable", "inconclusive"]], ["closed", ["unreachable"]]]);

/** @extends {Emitter<{changed: null}>} `changed`: a remedy was sent */
export class Reach extends Emitter {
  #form = byId("reach-form", HTMLFormElement);
  #fields = /** @type {HTMLFormControlsCollection & Fields} */ (this.#form.elements);
  #place = byId("reach");
  #asking = new Asking();
  /** @type {Model | null} */
  #model = null;
  /** Whether the view shows an answer, or waits for one. */
  #asked = false;
  /** @type {Answer | null} */
  #answer = null;

  constructor() {
    super();
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    this.#form.addEventListener("change", ({ target }) => {
      this.#shape();
      if (target === this.#fields.show) this.#show();
    });
    this.#fields.of.addEventListener("focus", () => this.#fields.of.select());
    const { find, of, protocol, port, show } = this.#fields;
    of.value = linked("reach-of") === HOST ? HOST_NAME : linked("reach-of");
    for (const field of [find, protocol, port, show]) {
      const value = linked(`reach-${field instanceof RadioNodeList ? "find" : field.name}`);
      if (value) field.value = value;
    }
    this.#shape();
  }

  /** @param {Model} model all of the engine, also where the page shows one project */
  update(model) {
    this.#model = model;
    this.#shape();
  }

  /** Ask when the view is opened with an end that a link named. */
  open() {
    if (this.#model && !this.#asked && this.#fields.of.value) this.ask();
  }

  /** The engine has changed: say that the answer may be out of date. */
  stale() {
    byId("reach-note").textContent = this.#answer ? "The engine has changed since this was read." : "";
  }

  /** @param {Wanted} wanted */
  choose({ find, of, protocol, port }) {
    const fields = this.#fields;
    fields.find.value = find;
    fields.of.value = of === HOST ? HOST_NAME : of;
    fields.protocol.value = protocol ?? "tcp";
    fields.port.value = port ?? "";
    this.#shape();
    this.ask();
  }

  #shape() {
    const { find, of, protocol, port, show } = this.#fields;
    byId("reach-port").hidden = protocol.value === "icmp";
    const known = !this.#model || of.value === HOST_NAME || choices(this.#model).has(of.value);
    of.setCustomValidity(known ? "" : `No container has the name “${of.value}”.`);
    relink({
      "reach-of": of.value === HOST_NAME ? HOST : of.value, "reach-find": find.value === "destinations" ? find.value : "",
      "reach-protocol": of.value && protocol.value !== "tcp" ? protocol.value : "", "reach-port": port.value, "reach-show": show.value === "all" ? "" : show.value,
    });
  }

  /** Ask the service, and show the answer. */
  async ask() {
    const model = this.#model;
    if (!model || !this.#form.reportValidity()) return;
    const { find, of, protocol, port } = this.#fields;
    const end = of.value === HOST_NAME ? { host: true } : { container: choices(model).get(of.value)?.id ?? of.value };
    const number = protocol.value === "icmp" ? null : Number(port.value) || null;
    const body = { find: find.value, of: end, protocol: protocol.value, include_unreachable: true, ...(number && { port: number }) };
    byId("reach-note").textContent = "";
    [this.#asked, this.#answer] = [true, null];
    /** @type {Answer | null} */
    const answer = await this.#asking.ask(this.#place, "Predicting every way …", async (signal) => {
      const lan = find.value === "sources" && end.container !== undefined && protocol.value !== "icmp";
      /** @type {[Api["QueryResult"], {rows: Api["Exposure"][], limited: Api["Limitation"][]}]} */
      const [{ groups, limited }, outside] = await Promise.all([
        call("POST", "/v1/connectivity/queries", body, { signal }), lan ? neighbours(end.container, signal) : { rows: [], limited: [] }]);
      const exposure = outside.rows.filter((row) => row.protocol === protocol.value && (!number || row.container_port === number));
      const codes = new Set(limited.map((one) => JSON.stringify(one)));
      return { groups, exposure, limited: [...limited, ...outside.limited.filter((one) => !codes.has(JSON.stringify(one)))] };
    });
    if (!answer) return;
    this.#answer = answer;
    this.#show();
    announce(this.#place.querySelector("[role=status]")?.textContent ?? "");
  }

  #show() {
    if (!this.#answer || !this.#model) return;
    const { groups, exposure, limited } = this.#answer;
    const { find, of, show } = this.#fields;
    const rows = rowsOf(groups, exposure, this.#model);
    const shown = rows.filter((row) => SHOWN.get(show.value)?.includes(row.verdict));
    replace(this.#place, h("p", { role: "status" }, summary(groups, exposure, find.value === "sources", of.value)),
      reachView(shown, { onFixed: () => this.emit("changed", null) }), limitedView(limited));
  }
}

/**
 * The rows of the exposure for neighbours on the LAN.
 * @param {string} container
 * @param {AbortSignal} signal
 */
async function neighbours(container, signal) {
  /** @type {Api["Exposure"][]} */
  const rows = [];
  let cursor = "";
  for (;;) {
    const words = new URLSearchParams({ limit: String(PAGE), container, origin: "lan", ...(cursor && { cursor }) });
    /** @type {Api["ExposurePage"]} */
    const page = await call("GET", `/v1/exposure?${words}`, null, { signal });
    rows.push(...page.items);
    if (!page.next_cursor) return { rows, limited: page.limited };
    cursor = page.next_cursor;
  }
}

/**
 * @param {Api["QueryGroup"][]} groups
 * @param {Api["Exposure"][]} exposure
 * @param {boolean} sources whether the sources are asked for
 * @param {string} name
 */
function summary(groups, exposure, sources, name) {
  const count = (/** @type {string} */ verdict) => new Set(groups.filter((one) => one.verdict === verdict).flatMap(({ ends }) => ends.map((end) => end.id || end.name))).size;
  const [open, unknown] = [count("reachable"), count("inconclusive")];
  const said = sources ? `${open || "None"} of the containers and the host can reach ${name}` : `${name} can reach ${open || "none"} of the containers and the host`;
  const ways = exposure.filter((row) => row.verdict === "reachable").length;
  const lan = sources && groups.length > 0 ? ` From the LAN: ${ways ? plural(ways, "way") : "no way that is known"}.` : "";
  return `${said}${unknown ? `; for ${unknown} it is not known` : ""}.${lan}`;
}
