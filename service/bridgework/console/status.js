/**
 * The header's note on whether the page shows the present state and, if not, for how long it has not.
 *
 * @typedef {"live" | "polling" | "away" | "lost"} State `away`: the engine does not answer; `lost`: the service does not
 */
import { ticking } from "./asking.js";
import { announce, byId, problemNote } from "./dom.js";

const STATES = { live: "Live", polling: "Every 5 s", away: "No engine", lost: "No contact" };
/** @type {Set<State>} */
const CURRENT = new Set(["live", "polling"]);

export class Status {
  #end = ticking(byId("since"));

  /**
   * @param {State} state
   * @param {import("./api.js").Trouble} [problem] why the page is not up to date
   */
  show(state, problem) {
    const pill = byId("live");
    const news = pill.dataset.state !== state;
    if (news && problem) announce(problem.message);
    if (news) {
      pill.dataset.state = state;
      pill.textContent = STATES[state];
      this.#end();
      byId("since").textContent = "";
      if (!CURRENT.has(state)) this.#end = ticking(byId("since"));
    }
    byId("trouble").replaceChildren(...(problem && problem.status !== 401 ? [problemNote(problem)] : []));
  }
}
