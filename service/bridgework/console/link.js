/**
 * The page's address holds what is asked and shown, so that it can be reloaded, kept and sent to others. It stands behind
 * the `#`, which browsers do not send: names of containers stay out of the logs of proxies. A link fills in the form and
 * sends nothing, so a link from another person cannot make the reader probe an address.
 */
import { Emitter } from "./dom.js";

/** @type {Emitter<{return: null}>} `return`: Back or Forward led to another address, which `linked` now reads */
export const trail = new Emitter();
/** A change of these is a step of the browser's history. A change of another field corrects the present one. */
const STEPS = new Set(["tab", "view", "thing", "project", "plan"]);
/** Tells the page's own entries of the history from an address that a person typed. */
const OWN = "bridgework";
let words = new URLSearchParams(location.hash.slice(1));
/** Whether a step was made in this task: one click can change several words. */
let stepped = false;

/** @param {string} name */
export const linked = (name) => words.get(name) ?? "";

/**
 * Write words into the address; an empty one is removed.
 * @param {Record<string, string>} values
 * @param {boolean} [step] whether this is a step of the history, whatever the words are
 */
export function relink(values, step = false) {
  const news = Object.entries(values).some(([name, value]) => (step || STEPS.has(name)) && linked(name) !== value);
  for (const [name, value] of Object.entries(values)) {
    if (value) words.set(name, value);
    else words.delete(name);
  }
  const address = words.size ? `#${words}` : location.pathname + location.search;
  if (news && !stepped) history.pushState(OWN, "", address);
  else history.replaceState(OWN, "", address);
  if (!news) return;
  stepped = true;
  setTimeout(() => { stepped = false; });
}

addEventListener("popstate", ({ state }) => {
  // Only a person changes the address in another way: by another link, or in the address bar.
  if (state !== OWN) location.reload();
  words = new URLSearchParams(location.hash.slice(1));
  stepped = true; // what the parts write while they follow the address is no step
  trail.emit("return", null);
  setTimeout(() => { stepped = false; });
});
