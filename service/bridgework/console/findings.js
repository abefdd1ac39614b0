/**
 * A finding in words, and its remedy as one button. The button first shows the calls, and sends them one after another
 * when the person has confirmed.
 *
 * @typedef {Object} CardOptions
 * @property {() => void} [onFixed] called when every call of the remedy has succeeded
 * @property {(calls: Api["Call"][]) => void} [again] repeats the check after the remedy, whose calls it is told
 * @property {Api["AnsweringNode"] | null} [there] another node answered: the calls are for its instance, so they are
 *   shown and not sent
 */
import { call, Problem } from "./api.js";
import { ticking } from "./asking.js";
import { announce, byId, h, icon, plural, problemNote } from "./dom.js";
import { withNames } from "./names.js";
import { planButton, planning } from "./plan.js";
import { limit } from "./role.js";

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
function composeNote({ project, undone, lines }) {
  return h("div", { class: "note warn compose" },
    h("p", {}, h("strong", {}, undone ? "Compose would undo this. " : "For the compose file. "),
      undone ? h("span", {}, "The next ", h("code", {}, "docker compose up"), ` of the project ${project} makes its containers from the compose file again. `) : null,
      `These lines in the compose file of ${project} make the remedy last:`),
    h("pre", { tabindex: "0", "aria-label": "Lines for the compose file" }, lines.trimEnd()));
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
    const done = await sent(found.calls, outcome);
    button.disabled = false;
    if (!done) return;
    button.remove();
    asks?.remove();
    outcome.tabIndex = -1;
    outcome.focus();
    onFixed?.();
    again?.(found.calls);
  });
  return h("div", { class: "remedy" },
    h("p", {}, h("strong", {}, "Remedy: "), found.summary),
    found.commands.length > 0 && h("pre", { tabindex: "0", "aria-label": "Commands for the engine’s host" }, found.commands.join("\n")),
    calls > 0 && there && [h("p", { class: "quiet" }, `${plural(calls, "call")} for the instance on ${there.hostname}, ${there.instance}. Send them there: this instance serves another engine.`), h("ol", { class: "calls" }, found.calls.map(callLine))],
    calls > 0 && !there && [h("p", { class: "row" }, button, asks), limit(button, found.calls), plan], outcome, compose?.lines && composeNote(compose));
}

/**
 * JSON with one line for each field of the body.
 * @param {Record<string, unknown>} body
 */
function brief(body) {
  const lines = Object.entries(body).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return lines.length > 1 ? `{\n${lines.join(",\n")}\n}` : JSON.stringify(body);
}

/** @param {Api["Call"]} call */
function callLine({ method, path, body }) {
  return h("li", {}, h("code", {}, h("b", {}, method), ` ${path}`), body && Object.keys(body).length > 0 && h("pre", { tabindex: "0", "aria-label": "Body" }, brief(body)));
}

/**
 * Ask the person before anything is changed.
 * @param {{summary: string, calls: Api["Call"][]}} what
 * @param {string} [title]
 * @returns {Promise<boolean>}
 */
export function confirmed({ summary, calls }, title = "Send these calls?") {
  const dialog = byId("confirm", HTMLDialogElement);
  dialog.replaceChildren(h("form", { method: "dialog" },
    h("h2", { id: "confirm-title" }, title), h("p", {}, summary), h("ol", { class: "calls" }, calls.map(callLine)),
    h("p", { class: "row end" }, h("button", { value: "no" }, "Cancel"), h("button", { value: "yes", class: "primary", autofocus: true }, `Send ${plural(calls.length, "call")}`))));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
  });
}

/**
 * Send calls one after another, and show how long each takes and its result. Stops at the first that fails, and returns
 * false then.
 * @param {Api["Call"][]} calls
 * @param {HTMLElement} outcome
 */
export async function sent(calls, outcome) {
  const list = h("ul", { class: "sent" });
  outcome.replaceChildren(list);
  for (const { method, path, body } of calls) {
    const clock = h("span", { class: "clock", "aria-hidden": "true" });
    const end = ticking(clock);
    const line = h("li", { class: "waiting" }, h("code", {}, `${method} ${path}`), " ", clock);
    list.append(line);
    try {
      await call(method, path, body);
      line.className = "";
      line.prepend(icon("reachable"));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      line.className = "failed";
      line.prepend(icon("unreachable"));
      outcome.append(problemNote(problem));
      return false;
    } finally {
      end();
      clock.remove();
    }
  }
  announce("Done.");
  return true;
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
