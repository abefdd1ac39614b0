/**
 * A finding in words, and its remedy as one button. The button first shows the calls, and sends them one after another
 * when the person has confirmed.
 *
 * @typedef {Object} CardOptions
 * @property {() => void} [onFixed] called when every call of the remedy has succeeded
 * @property {(calls: Api["Call"][]) => void} [again] repeats the check after the remedy, or after its undoing, whose
 *   calls it is told
 * @property {Api["AnsweringNode"] | null} [there] another node answered: the calls are for its instance, so they are
 *   shown and not sent
 */
import { call, Problem } from "./api.js";
import { h, plural } from "./dom.js";
import { withNames } from "./names.js";
import { planButton, planning } from "./plan.js";
import { limit } from "./role.js";
import { callLine, confirmed, sent } from "./sending.js";
import { inverseOf, offerUndo } from "./undo.js";

const SEVERITIES = { blocking: "Blocks it", warning: "Warning", info: "Good to know" };
/** @type {Promise<Api["Explanation"][]> | null} */
let catalogue = null;

/**
 * @param {Api["Finding"]} finding
 * @param {CardOptions} [options]
 */
export function findingCard(finding, options = {}) {
  return h("article", { class: `finding ${finding.severity}`, "data-code": finding.code },
    h("p", { class: "finding-head" }, h("span", { class: `tag ${finding.severity}` }, SEVERITIES[finding.severity]), h("code", {}, finding.code)),
    h("p", { class: "finding-message" }, withNames(finding.message)),
    findingBody(finding, options));
}

/**
 * What can be done about a finding, what would undo it, and what it means.
 * @param {Api["Finding"]} finding
 * @param {CardOptions} options
 */
export function findingBody(finding, options) {
  return [finding.remedy && remedy(finding.remedy, finding.compose ?? null, options), details(finding)];
}

/**
 * The lines that make a remedy last. Docker Compose makes networks and containers again from its file, and what the file
 * does not say is then gone.
 * @param {Api["ComposePart"]} part
 */
function composeNote({ undone, files }) {
  const projects = files.map(({ project }) => project).join(" or of ");
  return h("div", { class: "note warn compose" },
    h("p", {}, h("strong", {}, undone ? "Compose would undo this. " : "For the compose file. "),
      undone ? h("span", {}, "The next ", h("code", {}, "docker compose up"), ` of the project ${projects} makes its containers from the compose file again. `) : null),
    files.map(({ project, path, lines }) => [
      h("p", {}, "These lines in ", path ? h("code", {}, path) : "the compose file", ` of ${project} make the remedy last:`),
      h("pre", { tabindex: "0", "aria-label": `Lines for the compose file of ${project}` }, lines.trimEnd())]));
}

/**
 * @param {Api["Remedy"]} found
 * @param {Api["ComposePart"] | null} compose
 * @param {CardOptions} options
 */
function remedy(found, compose, { onFixed, again, there }) {
  const calls = found.calls.length;
  const outcome = h("div", {});
  const [asks, plan] = planButton(found.calls);
  const button = h("button", { type: "button", class: "primary" }, `Fix it: send ${plural(calls, "call")} …`);
  button.addEventListener("click", async () => {
    if (!(await confirmed(found))) return;
    button.disabled = true;
    planning.emit("change", []);
    const undo = await inverseOf(found);
    const done = await sent(found.calls, outcome);
    button.disabled = false;
    if (!done) return;
    button.remove();
    asks?.remove();
    outcome.tabIndex = -1;
    outcome.focus();
    const tell = (/** @type {Api["Call"][]} */ made) => {
      onFixed?.();
      again?.(made);
    };
    offerUndo(found, undo, () => tell(undo));
    tell(found.calls);
  });
  return h("div", { class: "remedy" },
    h("p", {}, h("strong", {}, "Remedy: "), found.summary),
    found.commands.length > 0 && h("pre", { tabindex: "0", "aria-label": "Commands for the engine’s host" }, found.commands.join("\n")),
    calls > 0 && there && [h("p", { class: "quiet" }, `${plural(calls, "call")} for the instance on ${there.hostname}, ${there.instance}. Send them there: this instance serves another engine.`), h("ol", { class: "calls" }, found.calls.map(callLine))],
    calls > 0 && !there && [h("p", { class: "row" }, button, asks), limit(button, found.calls), plan], outcome, compose && compose.files.length > 0 && composeNote(compose));
}

/**
 * The evidence, and the code's explanation, which is read when it is opened for the first time.
 * @param {Api["Finding"]} finding
 */
function details(finding) {
  const meaning = h("p", {}, "…");
  const evidence = Object.entries(finding.evidence);
  const element = h("details", {}, h("summary", {}, "What does this mean?"), meaning,
    evidence.length > 0 && h("dl", { class: "evidence" }, evidence.flatMap(([name, value]) => [
      h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, typeof value === "string" ? value : JSON.stringify(value))])));
  element.addEventListener("toggle", async () => {
    if (!element.open) return;
    try {
      catalogue ??= call("GET", "/v1/explanations?limit=1000").then(({ items }) => items);
      const found = (await catalogue).find((item) => item.code === finding.code);
      meaning.textContent = found ? `${found.meaning} Detected by: ${found.detection}` : "The catalogue has no explanation of this code.";
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      catalogue = null; // so that the next opening reads it again
      meaning.textContent = problem.message;
    }
  });
  return element;
}
