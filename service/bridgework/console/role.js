/**
 * What the caller's role allows. The service decides on every request; the page only disables what would be refused.
 */
import { call } from "./api.js";
import { byId, h } from "./dom.js";

const RANKS = ["viewer", "operator", "admin"];
/** @type {Api["Caller"] | null} */
let caller = null;

/** Read to which caller the token belongs, and show it. */
export async function introduce() {
  /** @type {Api["Caller"]} */
  const found = await call("GET", "/v1/caller");
  caller = found;
  const { name, role, project } = found;
  byId("caller").textContent = `Token ${name}, role ${role}${project ? `, project ${project}` : ""}`;
}

/**
 * The role that calls need: admin for force and prune, operator for other changes.
 * @param {Api["Call"][]} calls
 */
function needed(calls) {
  if (calls.some(({ path }) => /[?&]force=true|\/prune\b/.test(path))) return "admin";
  return calls.every(({ method }) => method === "GET") ? "viewer" : "operator";
}

/** Whether the caller has this role or a higher one. @param {string} role */
export const allows = (role) => RANKS.indexOf(caller?.role ?? "") >= RANKS.indexOf(role);

/**
 * Disable a button if the caller may not send its calls. Returns an element that tells the reason, or null.
 * @param {HTMLButtonElement} button
 * @param {Api["Call"][]} calls
 */
export function limit(button, calls) {
  if (!caller) return null;
  const [has, needs] = [RANKS.indexOf(caller.role), RANKS.indexOf(needed(calls))];
  if (has < 0 || has >= needs) return null;
  button.disabled = true;
  button.classList.add("forbidden");
  return h("p", { class: "quiet" }, `Your token has the role ${caller.role}. Sending ${calls.length === 1 ? "this call" : "these calls"} needs the role ${RANKS[needs]}.`);
}
