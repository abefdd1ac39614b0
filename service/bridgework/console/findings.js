/** A finding in words, and its remedy as one button: what will be sent is shown first, then sent call by call. */
import { call } from "./api.js";
import { ticking } from "./asking.js";
import { announce, byId, h, icon, plural, problemNote } from "./dom.js";
import { limit } from "./role.js";

const SEVERITIES = { blocking: "Blocks it", warning: "Warning", info: "Good to know" };
let catalogue = null;

/**
 * `onMended()` after every call of the remedy succeeded; `again` then offers the check once more. Where another node
 * answered (`there`), the calls are for its instance and are shown, not sent.
 */
export function findingCard(finding, { onMended = () => undefined, again = null, there = null } = {}) {
  return h("article", { class: `finding ${finding.severity}`, "data-code": finding.code },
    h("p", { class: "finding-head" }, h("span", { class: `tag ${finding.severity}` }, SEVERITIES[finding.severity]), h("code", {}, finding.code)),
    h("p", { class: "finding-message" }, finding.message),
    finding.remedy && remedy(finding.remedy, there, onMended, again),
    details(finding));
}

function remedy(found, there, onMended, again) {
  const calls = found.calls.length;
  const outcome = h("div", {});
  const button = h("button", { type: "button", class: "primary" }, `Mend it: send ${plural(calls, "call")} …`);
  button.addEventListener("click", async () => {
    if (!(await confirmed(found))) return;
    button.disabled = true;
    const done = await sent(found.calls, outcome);
    button.disabled = false;
    if (!done) return;
    button.remove();
    onMended();
    if (again) outcome.append(h("button", { type: "button", class: "primary again", onclick: again }, "Check again"));
    outcome.querySelector("button")?.focus();
  });
  return h("div", { class: "remedy" },
    h("p", {}, h("strong", {}, "Remedy: "), found.summary),
    found.commands.length > 0 && h("pre", { tabindex: "0", "aria-label": "Commands for the engine’s host" }, found.commands.join("\n")),
    calls > 0 && there && [h("p", { class: "quiet" }, `${plural(calls, "call")} for the instance on ${there.hostname}, ${there.instance}; this one answers for another engine:`), h("ol", { class: "calls" }, found.calls.map(callLine))],
    calls > 0 && !there && [button, limit(button, found.calls)], outcome);
}

/** JSON with one line for each of the body's fields. */
function brief(body) {
  const lines = Object.entries(body).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return lines.length > 1 ? `{\n${lines.join(",\n")}\n}` : JSON.stringify(body);
}

function callLine({ method, path, body }) {
  return h("li", {}, h("code", {}, h("b", {}, method), ` ${path}`), body && Object.keys(body).length > 0 && h("pre", { tabindex: "0", "aria-label": "Body" }, brief(body)));
}

/** Ask before anything is changed. Answers true or false. */
export function confirmed({ summary, calls }, title = "Send these calls?") {
  const dialog = byId("confirm");
  dialog.replaceChildren(h("form", { method: "dialog" },
    h("h2", { id: "confirm-title" }, title), h("p", {}, summary), h("ol", { class: "calls" }, calls.map(callLine)),
    h("p", { class: "row end" }, h("button", { value: "no" }, "Cancel"), h("button", { value: "yes", class: "primary", autofocus: true }, `Send ${plural(calls.length, "call")}`))));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true }));
}

/** Send calls in their order and show how long each takes and how it went; stops at the first that fails. */
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

/** What the code means in general, read when it is first opened, and what was seen. */
function details(finding) {
  const meaning = h("p", {}, "…");
  const evidence = Object.entries(finding.evidence ?? {});
  const element = h("details", {}, h("summary", {}, "What does that mean?"), meaning,
    evidence.length > 0 && h("dl", { class: "evidence" }, evidence.flatMap(([name, value]) => [
      h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, typeof value === "string" ? value : JSON.stringify(value))])));
  element.addEventListener("toggle", async () => {
    if (!element.open) return;
    catalogue ??= call("GET", "/v1/explanations?limit=1000").catch((problem) => ({ items: [], problem }));
    const { items, problem } = await catalogue;
    const found = items.find((item) => item.code === finding.code);
    if (problem) catalogue = null;
    meaning.textContent = found ? `${found.meaning} Detected by: ${found.detection}` : (problem?.message ?? "There is no more to say.");
  });
  return element;
}
