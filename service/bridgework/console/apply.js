/**
 * Apply a plan: shown, confirmed by the person, sent with the ETag of the plan, and what became of it. The service
 * measures whether the changes did what was planned, and undoes them if not.
 */
import { answered } from "./api.js";
import { Asking } from "./asking.js";
import { announce, h, icon, plural, replace } from "./dom.js";
import { limit } from "./role.js";
import { confirmed } from "./sending.js";
import { offerUndo } from "./undo.js";

/** @type {Record<string, string>} */
const OUTCOMES = {
  applied: "The plan is applied, and the measured pairs are as planned.",
  differs: "The plan is applied, but measured pairs are not as planned.",
  undone: "The changes are undone: one failed, or a measured pair is not as planned.",
  "partly-undone": "Not all changes could be undone.",
  failed: "A change failed.",
};

/**
 * The button that applies a plan, and the place of what became of it.
 * @param {Api["Plan"]} plan
 * @param {string} etag
 * @param {(call: Api["Call"]) => string} words
 * @param {() => void} onChanged is called when something was changed
 */
export function applyButton(plan, etag, words, onChanged) {
  const calls = plan.steps.map(({ call }) => call);
  const outcome = h("div", {});
  const asking = new Asking();
  const button = h("button", { type: "button", class: "primary" }, "Apply …");
  const summary = `${calls.map(words).join(". ")}. ${plan.undoable ? "The service undoes the changes if one fails or a measured pair is not as planned." : "Not every change can be undone, so the service keeps what it made."}`;
  button.addEventListener("click", async () => {
    if (!(await confirmed({ summary, calls }, "Apply the plan?"))) return;
    button.disabled = true;
    const body = { changes: calls, apply: true, undo: plan.undoable ? "on-failure" : "never" };
    /** @type {Api["Plan"] | null} */
    const made = await asking.ask(outcome, "Making the changes, and measuring …", async (signal) => (
      (await answered("POST", "/v1/plans", body, { signal, headers: { "If-Match": etag } })).value));
    button.disabled = false;
    if (!made?.applied) return;
    button.remove();
    replace(outcome, appliedView(made.applied, calls.map(words), words));
    announce(OUTCOMES[made.applied.outcome] ?? made.applied.outcome);
    const undo = plan.undoable && ["applied", "differs"].includes(made.applied.outcome) ? [...plan.steps].reverse().flatMap((step) => step.undo) : [];
    offerUndo({ summary: calls.map(words).join(". "), calls }, undo, onChanged);
    onChanged();
  });
  return [h("p", { class: "row" }, button), limit(button, calls), outcome];
}

/**
 * @param {Api["Applied"]} applied
 * @param {string[]} changes in words, in the order of the steps
 * @param {(call: Api["Call"]) => string} words
 */
function appliedView({ outcome, steps, pairs, undone }, changes, words) {
  const differing = pairs.filter((pair) => pair.agrees === false);
  return h("section", { class: `note ${outcome === "applied" ? "" : "warn"}`, "aria-label": "What became of the plan" },
    h("p", {}, h("strong", {}, OUTCOMES[outcome] ?? outcome), ` ${plural(pairs.length, "pair")} measured.`),
    h("ul", { class: "sent" }, steps.map(({ outcome: result, problem }, at) => h("li", { class: problem ? "failed" : "" },
      icon(problem ? "unreachable" : "reachable"), `${changes[at]}: ${result}`, problem && `. ${problem.detail}`))),
    differing.length > 0 && h("ul", {}, differing.map(({ source, destination, protocol, port, predicted, measured }) => h("li", {},
      `${source.name} → ${destination.name} ${protocol}${port === null ? "" : ` ${port}`}: planned ${predicted}, measured ${measured}`))),
    undone.length > 0 && h("p", {}, `Undone: ${undone.map(({ call }) => words(call)).join(". ")}.`));
}
