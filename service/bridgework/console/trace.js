/**
 * The trace of a check: each step of the packet and of its answer as the kernel showed it, how the packet was translated
 * on its way, and where it was lost.
 *
 * @import { Child } from "./dom.js"
 * @typedef {Api["TraceStep"]} Step
 * @typedef {{step?: Step, marks: string, name: string, under: string, rule?: string, lost?: boolean}} Line
 *   what is written about a step, or about what changed before it
 */
import { download } from "./api.js";
import { Asking } from "./asking.js";
import { copy, tell } from "./copying.js";
import { h, icon } from "./dom.js";

const PCAPNG = "application/x-pcapng";
/** @type {[Step["direction"], string][]} */
const WAYS = [["request", "The packet’s way"], ["reply", "The answer’s way"]];

/**
 * @param {Api["Trace"]} trace
 * @param {string} verdict the sentence above the answer, which the text begins with
 * @param {unknown} body the check, which is sent again for a capture
 */
export function traceView(trace, verdict, body) {
  const outcome = h("div", { class: "stack" });
  const asking = new Asking();
  const save = async () => {
    const file = await asking.ask(outcome, "Sending the check again …", (signal) => download("/v1/connectivity/checks", body, PCAPNG, signal));
    if (!file) return;
    saved(file, "trace.pcapng");
    tell(outcome, "Saved as trace.pcapng. Open it in Wireshark.");
  };
  const [loss, ...rest] = endOf(trace);
  const ways = WAYS.map(([direction, title]) => ({ title, lines: linesOf(trace, direction) })).filter(({ lines }) => lines.length);
  const text = [verdict, "", flowOf(trace), ...ways.flatMap(({ title, lines }) => ["", title, ...lines.flatMap(plain)]), "", loss, ...rest, ""].join("\n");
  return h("section", { class: "trace stack", "aria-label": "Trace" },
    h("h3", {}, "Trace"),
    h("p", { class: "quiet" }, flowOf(trace)),
    h("p", { class: `note ${trace.lost ? "bad" : ""}` }, loss),
    ways.map(({ title, lines }) => [h("h4", {}, title), h("ol", { class: "steps", "aria-label": `${title}, step by step` }, lines.map(item))]),
    rest.map((sentence) => h("p", { class: "quiet" }, sentence)),
    h("p", { class: "row" },
      h("button", { type: "button", onclick: () => copy(text, outcome) }, "Copy as text"),
      h("button", { type: "button", onclick: save, title: "The capture is of a new packet: the check is sent again." }, "Send again and save pcapng")),
    outcome);
}

/** @param {Api["Trace"]} trace */
function flowOf({ protocol, identifier, steps }) {
  const first = steps.find((step) => step.destination);
  return first ? `${protocol} ${ends(first)}` : `${protocol} ${identifier}`;
}

/**
 * Sentences about the end: the first one says what was lost.
 * @param {Api["Trace"]} trace
 * @returns {[string, ...string[]]}
 */
function endOf({ lost, client, server, missing }) {
  return [
    lost ? `Lost: ${lost.message}` : "Nothing was lost.",
    ...(client && server ? [`The destination ${end(server)} sees the client as ${end(client)}.`] : []),
    ...missing.map((sentence) => `Not recorded: ${sentence}`),
  ];
}

/**
 * The steps of one direction. A step is the packet as it came there, so a translation shows between two steps.
 * @param {Api["Trace"]} trace
 * @param {Step["direction"]} direction
 * @returns {Line[]}
 */
function linesOf({ steps, lost }, direction) {
  const [stopped, silent] = [lost?.by, lost?.silent].map((one) => JSON.stringify(one ?? null));
  /** @type {Step | null} */
  let before = null;
  return steps.filter((step) => step.direction === direction).flatMap((step) => {
    const same = JSON.stringify(step);
    const line = { step, marks: marks(step), lost: same === stopped || same === silent, ...words(step) };
    if (!step.seen || !step.source) return [line];
    const changed = before && ends(before) !== ends(step)
      ? [{ marks: "", name: before.proxied === step.proxied ? "Translated" : "Another connection, of docker-proxy", under: `${ends(before)} → ${ends(step)}` }] : [];
    before = step;
    return [...changed, line];
  });
}

/** @param {Step} step */
function marks({ predicted, seen }) {
  if (predicted) return seen ? "predicted, seen" : "predicted, not seen";
  return "not predicted, seen";
}

/**
 * @param {Step} step
 * @returns {{name: string, under: string, rule?: string}}
 */
function words({ kind, of, interface: link, leaving, note, time_us: time, hook, table, chain, rule, handle, verdict }) {
  if (kind === "interface") {
    const clock = time === null ? "" : `+${time.toFixed(0)} µs`;
    return { name: `${leaving ? "Out by" : "In by"} ${link} of ${of}`, under: [note, clock].filter(Boolean).join(", ") };
  }
  if (kind === "route") return { name: `Route of ${of}: ${verdict ?? "not seen"}`, under: link ? `by ${link}` : "" };
  const text = rule ?? (kind === "policy" ? "policy of the chain" : `rule with the handle ${handle}`);
  return { name: `${chain}: ${verdict}`, under: `hook ${hook}, table ${table}`, rule: text };
}

/** @param {Step} step */
const ends = ({ source, destination }) => `${source ? end(source) : "?"} to ${destination ? end(destination) : "?"}`;

/** @param {Api["TraceEnd"]} end */
function end({ address, port }) {
  if (port === null) return address;
  return `${address.includes(":") ? `[${address}]` : address}:${port}`;
}

/**
 * @param {Line} line
 * @returns {Child}
 */
function item({ step, marks: known, name, under, rule, lost }) {
  return h("li", { class: `step ${lost ? "lost" : ""} ${step ? "" : "change"}` },
    h("p", { class: "step-head" }, lost && icon("stop"), h("b", {}, name), known && h("span", { class: `tag ${step?.seen ? "" : "warning"}` }, known)),
    rule && h("code", {}, rule),
    h("p", { class: "quiet" }, lost && h("b", {}, "Lost here. "), under));
}

/** @param {Line} line */
function plain({ marks: known, name, under, rule, lost }) {
  const head = `  ${[name, under, known && `(${known})`].filter(Boolean).join("  ")}${lost ? "  LOST HERE" : ""}`;
  return rule ? [head, `      ${rule}`] : [head];
}

/**
 * @param {Blob} file
 * @param {string} name
 */
function saved(file, name) {
  const url = URL.createObjectURL(file);
  h("a", { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}
