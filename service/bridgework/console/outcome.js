/**
 * What a check found: the cause and its remedy, the path and where it ends, the prediction beside the measurement, and
 * further findings.
 *
 * @import { Ends, Question } from "./ends.js"
 * @import { Child } from "./dom.js"
 */
import { addressTable } from "./addresses.js";
import { copyRow } from "./copying.js";
import { h, icon, milliseconds } from "./dom.js";
import { findingBody, findingCard } from "./findings.js";
import { limitedView } from "./limited.js";
import { rail } from "./rail.js";
import { reasonOf } from "./reasons.js";
import { traceView } from "./trace.js";

const VERBS = { reachable: "reaches", unreachable: "cannot reach", inconclusive: "may or may not reach" };

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
