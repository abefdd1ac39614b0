/** Says in the header whether what the page shows is true now and, where it is not, since when. */
import { ticking } from "./asking.js";
import { announce, byId, problemNote } from "./dom.js";

const STATES = { live: "Live", polling: "Every 5 s", away: "Engine away", lost: "Out of touch" };
const CURRENT = new Set(["live", "polling"]);

export class Status {
  #end = ticking(byId("since"));

  /** `state` is one of the words above; `problem` says why the page is not up to date. */
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
