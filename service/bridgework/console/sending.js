/** Calls that change something: shown, confirmed by the person, and sent one after another. */
import { call, Problem } from "./api.js";
import { ticking } from "./asking.js";
import { announce, byId, h, icon, plural, problemNote } from "./dom.js";

/**
 * JSON with one line for each field of the body.
 * @param {Record<string, unknown>} body
 */
function brief(body) {
  const lines = Object.entries(body).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return lines.length > 1 ? `{\n${lines.join(",\n")}\n}` : JSON.stringify(body);
}

/** @param {Api["Call"]} call */
export function callLine({ method, path, body }) {
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
