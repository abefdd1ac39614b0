/**
 * The path of a check as stops on a line, from the source to the destination.
 *
 * @import { Ends } from "./ends.js"
 * @typedef {"start" | "through" | "unsure" | "break" | "beyond" | "end"} Role of a stop on the path
 */
import { h, icon } from "./dom.js";
import { reasonOf } from "./reasons.js";

const NAMES_FAILED = new Set(["name-unknown", "resolver-failed"]);

/**
 * The path as stops on a line. Hops that the packet passes are green. The line breaks at the hop that stops the packet.
 * If the measurement contradicts the prediction, the hops before the break are shown as not certain.
 * @param {Ends} asked
 * @param {Api["CheckResult"]} result
 */
export function rail(asked, { verdict, predicted, measured, findings }) {
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

/** @type {Record<string, Role>} */
const ROLES = { passed: "through", stopped: "break", unknown: "unsure" };

/**
 * A predicted path without a measurement: where the packet passes, and where it is stopped.
 * @param {Api["Hop"][]} hops
 */
export const predictedRail = (hops) => h("ol", { class: "rail", "aria-label": "The predicted path, step by step" },
  hops.map((hop) => stop(hop.status === "stopped" ? "stop" : hop.kind, hop.name, hopWords(hop), ROLES[hop.status] ?? "unsure")));
