/**
 * The page's address holds what is asked and shown, so that it can be reloaded, kept and sent to others. It stands behind
 * the `#`, which browsers do not send: names of containers stay out of the logs of proxies. A link fills in the form and
 * sends nothing, so a link from another person cannot make the reader probe an address.
 */
const words = new URLSearchParams(location.hash.slice(1));

/** @param {string} name */
export const linked = (name) => words.get(name) ?? "";

/**
 * Write words into the address; an empty one is removed.
 * @param {Record<string, string>} values
 */
export function relink(values) {
  for (const [name, value] of Object.entries(values)) {
    if (value) words.set(name, value);
    else words.delete(name);
  }
  history.replaceState(null, "", words.size ? `#${words}` : location.pathname + location.search);
}

// Only a person changes the address in another way: by another link, or in the address bar.
addEventListener("hashchange", () => location.reload());
