/**
 * After a remedy, the page offers to undo it. What undoes it is in the plan of its calls, which is made before they are
 * sent: only the state before says which network, address and aliases a container had. The offer stands below the header,
 * because the finding that had the remedy is gone.
 */
import { call, Problem } from "./api.js";
import { byId, h, plural } from "./dom.js";
import { limit } from "./role.js";
import { confirmed, sent } from "./sending.js";

/**
 * The calls that undo a remedy, the last change first; none where nothing undoes all of it, or where no plan holds its calls.
 * @param {Api["Remedy"]} remedy
 * @returns {Promise<Api["Call"][]>}
 */
export async function inverseOf({ plan: wanted }) {
  if (!wanted) return [];
  try {
    /** @type {Api["Plan"]} */
    const { steps, undoable } = await call("POST", "/v1/plans", wanted);
    return undoable ? [...steps].reverse().flatMap(({ undo }) => undo) : [];
  } catch (problem) {
    // The remedy is sent all the same, and its own answers say what is wrong.
    if (problem instanceof Problem) return [];
    throw problem;
  }
}

/**
 * Offer to undo what was sent, in place of what was offered before.
 * @param {{summary: string, calls: Api["Call"][]}} made a remedy, or the changes of a plan
 * @param {Api["Call"][]} undo
 * @param {() => void} onUndone is called when every call has succeeded
 */
export function offerUndo({ summary, calls }, undo, onUndone) {
  const place = byId("undo");
  const end = () => place.replaceChildren();
  if (!undo.length) {
    end();
    return;
  }
  const outcome = h("div", {});
  const button = h("button", { type: "button" }, "Undo …");
  button.addEventListener("click", async () => {
    if (!(await confirmed({ summary: `This undoes: ${summary}`, calls: undo }, "Undo the changes?"))) return;
    button.disabled = true;
    const done = await sent(undo, outcome);
    button.disabled = false;
    if (!done) return;
    end();
    onUndone();
  });
  place.replaceChildren(h("div", { class: "note", role: "region", "aria-label": "Undo" },
    h("p", { class: "row" }, `The changes are made: ${plural(calls.length, "call")}.`, button, h("button", { type: "button", onclick: end }, "Keep it")),
    limit(button, undo), outcome));
}
