/**
 * What a check found: the cause and its remedy, the path and where it ends, the prediction beside the measurement, and
 * further findings.
 *
 * @import { Ends, Question } from "./ends.js"
 * @import { Child } from "./dom.js"
 * @typedef {"start" | "through" | "unsure" | "break" | "beyond" | "end"} Role of a stop on the path
 */
import { addressTable } from "./addresses.js";
import { copyRow } from "./copying.js";
import { h, icon, milliseconds } from "./dom.js";
import { findingBody, findingCard } from "./findings.js";
import { limitedView } from "./limited.js";
import { traceView } from "./trace.js";

/** @type {Record<string, string>} */
const REASONS = {
  "timed-out": "no answer came back in time",
  refused: "the connection was refused: nothing listens there",
  "name-unknown": "no name server that it asks knows this name",
  "resolver-failed": "its name server gave no answer",
  "no-route": "it has no route there",
  "no-address": "there is no address to send to",
  "host-unreachable": "no host on that link answers for the address",
  "administratively-prohibited": "a firewall rejected it",
  "message-too-long": "the packet is too large for the path",
  "connection-reset": "the connection was reset",
  "source-not-running": "the source is not running",
  "unexpected-answer": "the answer is not the expected one",
  "no-answer": "no answer came back",
  "namespace-out-of-reach": "the service cannot enter the source’s namespace",
  "resources-exhausted": "the service has no descriptor or memory left",
  "budget-exhausted": "the kernel’s neighbour table has no room left",
  deadline: "there was no time left for it",
  "not-allowed": "the service’s policy does not allow it",
};
const NAMES_FAILED = new Set(["name-unknown", "resolver-failed"]);
const VERBS = { reachable: "reaches", unreachable: "cannot reach", inconclusive: "may or may not reach" };

/** @param {{ reason: string | null }} failed  A measurement, or an address of an answer. */
export const reasonOf = ({ reason }) => reasonText(reason ?? "");

/**
 * The words for the code of a reason.
 * @param {string} code
 */
export const reasonText = (code) => REASONS[code] ?? code;

/**
 * One or two words for the arrow in the picture.
 * @param {Api["CheckResult"]} result
 */
export function short({ verdict, measured }) {
  if (verdict === "reachable") return milliseconds(measured.rtt_ms?.avg);
  return measured.reason?.replaceAll("-", " ") ?? verdict;
}

/**
 * The verdict in a sentence.
 * @param {Ends} asked
 * @param {Api["CheckResult"]} result
 */
export function sentence(asked, { verdict, measured }) {
  const time = verdict === "reachable" && measured.rtt_ms ? ` in ${milliseconds(measured.rtt_ms.avg)}` : "";
  const why = verdict !== "reachable" && measured.reason ? `: ${reasonOf(measured)}` : "";
  return `${asked.from} ${VERBS[verdict]} ${asked.to}${time}${why}.`;
}

/**
 * The finding that says why the packet does not arrive, if there is one. The service lists the most severe first.
 * @param {Api["CheckResult"]} result
 */
const causeOf = ({ verdict, findings: [first] }) => (verdict !== "reachable" && first?.severity === "blocking" ? first : null);

/**
 * One card: the cause and its remedy, then the path, the evidence, and everything else that was found.
 * @param {Ends} asked
 * @param {Api["CheckResult"]} result
 * @param {{body: Question, again: (calls: Api["Call"][]) => void, onFixed: () => void, after: Api["Call"][]}} options
 *   `body`: the question, with names; `after`: the calls that were sent before the question was asked again
 * @returns {Child[]}
 */
export function outcomeView(asked, result, { body, again, onFixed, after }) {
  const { verdict, findings, answered_by: there } = result;
  const cause = causeOf(result);
  const said = sentence(asked, result);
  const more = { again, onFixed, there };
  const rest = findings.filter((finding) => finding !== cause);
  return [
    after.length > 0 && h("p", { class: "quiet after" }, `Asked again after ${after.map(({ method, path }) => `${method} ${path}`).join(", ")}.`),
    h("article", { class: `answer ${verdict}`, ...(cause && { "data-code": cause.code }) },
      h("h3", { class: `verdict ${verdict}`, tabindex: "-1" }, icon(verdict), h("span", {}, cause ? [h("b", {}, cause.message), " ", h("small", {}, said)] : said)),
      cause && findingBody(cause, more)),
    there && h("p", { class: "answered" }, "Answered by the node ", h("b", {}, there.hostname), ", where the source is, through its instance at ", h("code", {}, there.instance), "."),
    rail(asked, result),
    sides(result),
    result.addresses.length > 1 && addressTable(result.addresses, reasonOf),
    result.trace && traceView(result.trace, said, body),
    body.trace && !result.trace && h("p", { class: "quiet" }, "There is no trace: no packet was sent."),
    rest.length > 0 && h("h3", { class: "why" }, cause ? "Found too" : "Good to know"),
    rest.map((finding) => findingCard(finding, more)),
    limitedView(result.limited),
    copyRow(body, result),
  ];
}

/** @param {Api["CheckResult"]} result */
function sides({ predicted, measured }) {
  const differ = predicted.verdict !== measured.verdict && [predicted, measured].every((side) => side.verdict !== "inconclusive");
  const said = [
    measured.attempts > 0 && `${measured.successes} of ${measured.attempts} answered`,
    measured.address && `at ${measured.address}`,
    measured.reverse_name && `known as ${measured.reverse_name}`,
    measured.status && `status ${measured.status}`,
  ].filter(Boolean).join(", ");
  const side = (/** @type {string} */ title, /** @type {string} */ verdict, /** @type {string} */ text) => h("div", { class: `side ${verdict}` },
    h("dt", {}, title), h("dd", {}, h("b", {}, icon(verdict), verdict), h("span", {}, text)));
  return [
    h("dl", { class: "sides" },
      side("Predicted", predicted.verdict, "from the engine’s state"),
      side("Measured", measured.verdict, said || reasonOf(measured) || "nothing was sent")),
    measured.detail && measured.verdict !== "reachable" && h("p", { class: "quiet" }, measured.detail),
    differ && h("p", { class: "note warn" }, "The two differ. The measurement counts. Something that the engine’s state does not show affects the traffic."),
  ];
}

/**
 * The path as stops on a line. Hops that the packet passes are green. The line breaks at the hop that stops the packet.
 * If the measurement contradicts the prediction, the hops before the break are shown as not certain.
 * @param {Ends} asked
 * @param {Api["CheckResult"]} result
 */
function rail(asked, { verdict, predicted, measured, findings }) {
  const stops = [stop("container", asked.from, "starts here", "start")];
  const beyond = stop("container", asked.to, "not reached", "beyond");
  const ends = `${verdict === "inconclusive" ? "uncertain from here" : "ends here"}${measured.reason ? `: ${reasonOf(measured)}` : ""}`;
  const unnamed = NAMES_FAILED.has(measured.reason ?? "");
  if (unnamed) stops.push(stop("stop", `Looking up “${asked.value}”`, ends, "break"), beyond);
  else {
    if (asked.kind === "name") {
      const found = measured.resolved_addresses.join(", ");
      if (found) stops.push(stop("name", `${asked.value} is ${found}`, measured.resolver ? `says ${measured.resolver}` : "name resolved", "through"));
    }
    const cause = findings.find((finding) => finding.severity === "blocking");
    for (const hop of predicted.path) stops.push(hopStop(hop, verdict, predicted, cause, ends));
    if (verdict === "reachable") stops.push(stop("reachable", asked.to, "reached", "end"));
    else {
      const shown = predicted.path.some((hop) => hop.status === "stopped");
      if (!shown) stops.push(stop("stop", predicted.path.length ? "Somewhere on this path" : reasonOf(measured), ends, "break"));
      stops.push(beyond);
    }
  }
  return h("ol", { class: "rail", "aria-label": "The path, step by step" }, stops);
}

/**
 * One hop. The measured verdict has precedence over the prediction.
 * @param {Api["Hop"]} hop
 * @param {Api["Verdict"]} verdict
 * @param {Api["Prediction"]} predicted
 * @param {Api["Finding"] | undefined} cause
 * @param {string} ends
 */
function hopStop(hop, verdict, predicted, cause, ends) {
  const words = hopWords(hop);
  if (hop.status === "stopped") {
    if (verdict === "reachable") return stop(hop.kind, hop.name, `${words}; predicted to stop the packet, but it passed`, "unsure");
    return stop("stop", hop.name, `${words}; ${ends}${cause ? ` (${cause.code.replaceAll("-", " ")})` : ""}`, "break");
  }
  if (verdict === "reachable") return stop(hop.kind, hop.name, words, "through");
  const sure = hop.status === "passed" && predicted.verdict !== "reachable";
  return sure ? stop(hop.kind, hop.name, words, "through") : stop(hop.kind, hop.name, `${words}; not certain`, "unsure");
}

/** @type {Record<string, (hop: Api["Hop"]) => string>} */
const HOPS = {
  interface: ({ of }) => `interface in ${of}`,
  veth: () => "its other end, on the host",
  bridge: ({ of }) => `bridge of the network ${of}`,
  container: () => "container",
  host: () => "the engine’s host",
  name: ({ of }) => `name that ${of} looks up`,
  address: ({ of }) => (of ? `has no address that ${of} can send to` : "outside of the engine"),
  routing: ({ of }) => (of === "the host" ? "routed by the host" : `routing table of ${of}`),
  firewall: () => "chain of the host’s firewall",
  reply: ({ of }) => `answer of ${of}, on its way back`,
  port: ({ of }) => `port of ${of}`,
  overlay: () => "overlay network, on several nodes",
  vxlan: ({ of }) => `number of the tunnel of ${of}`,
  node: ({ of }) => `the node at ${of}`,
  "published-port": ({ of }) => `published port of ${of}`,
  listener: ({ of }) => `listens in ${of}`,
};

/** @param {Api["Hop"]} hop */
function hopWords(hop) {
  return HOPS[hop.kind]?.(hop) ?? `${hop.kind.replaceAll("-", " ")}${hop.of ? ` of ${hop.of}` : ""}`;
}

/**
 * @param {string} kind of icon
 * @param {string} name
 * @param {string} under
 * @param {Role} role
 */
function stop(kind, name, under, role) {
  return h("li", { class: `stop ${role}` }, h("span", { class: "mark" }, icon(kind)),
    h("span", { class: "stop-name" }, name), h("span", { class: "stop-under" }, under));
}
