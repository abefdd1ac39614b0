/** What the caller's role allows. The service decides on every request; the page does not offer what it would refuse. */
import { call } from "./api.js";
import { byId, h } from "./dom.js";

const RANKS = ["viewer", "operator", "admin"];
let caller = null;

/** Ask who the token belongs to, and show it. */
export async function introduce() {
  caller = await call("GET", "/v1/caller");
  const { name, role, project } = caller;
  byId("caller").textContent = `Token ${name}, role ${role}${project ? `, project ${project}` : ""}`;
}

/** The role that calls need: forced ones and pruning an admin's, other changes an operator's. */
function needed(calls) {
  if (calls.some(({ path }) => /[?&]force=true|\/prune\b/.test(path))) return "admin";
  return calls.every(({ method }) => method === "GET") ? "viewer" : "operator";
}

/** Disable a button that sends calls which the caller may not send. Answers the reason as an element, or null. */
export function limit(button, calls) {
  const [has, needs] = [RANKS.indexOf(caller?.role), RANKS.indexOf(needed(calls))];
  if (has < 0 || has >= needs) return null;
  button.disabled = true;
  button.classList.add("forbidden");
  return h("p", { class: "quiet" }, `Your token has the role ${caller.role}. Sending ${calls.length === 1 ? "this call" : "these calls"} needs the role ${RANKS[needs]}.`);
}
