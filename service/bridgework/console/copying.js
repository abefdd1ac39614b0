/**
 * What can be copied of a question and its answer: a link to the page, the same request for curl and for the command
 * line, and both documents as JSON.
 *
 * @import { Question } from "./ends.js"
 * @import { Model } from "./model.js"
 */
import { announce, h, replace } from "./dom.js";

const PATH = "/v1/connectivity/checks";
const PLAIN = /^[\w.@%+=:,/-]+$/;
/** A name that the command line would not read as a name: an address, a keyword, or something with a prefix or a port. */
const AMBIGUOUS = /^(host|[\d.]+)$|:/;

/**
 * The question with names instead of ids, which a person can read. A container of another node keeps its id.
 * @param {Question} body
 * @param {Model} model
 * @returns {Question}
 */
export function named(body, model) {
  const { source, destination } = body;
  const known = (/** @type {{container?: string}} */ { container }) => container !== undefined && { container: model.containerOf.get(container)?.name ?? container };
  return { ...body, source: { ...source, ...known(source) }, destination: { ...destination, ...known(destination) } };
}

/** A word for a shell. @param {string} word */
const quoted = (word) => (PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** @param {Question} body */
export function asCurl(body) {
  const url = new URL(PATH.slice(1), document.baseURI).href;
  return `curl --fail-with-body --header "Authorization: Bearer $BRIDGEWORK_TOKEN" --json ${quoted(JSON.stringify(body))} ${quoted(url)}`;
}

/** @param {Question} body */
export function asCommand({ source, destination, protocol, port, path, count, trace }) {
  const { container, name, address } = destination;
  const where = container !== undefined ? `container:${container}`
    : name !== undefined ? (AMBIGUOUS.test(name) ? `name:${name}` : name)
      : address !== undefined ? (address.includes(":") && port ? `[${address}]` : address) : "host";
  const words = ["bridgework", trace ? "trace" : "check", source.container ?? "host", port ? `${where}:${port}` : where];
  if (protocol !== (port ? "tcp" : "icmp")) words.push("--protocol", protocol);
  if (path && path !== "/") words.push("--path", path);
  if (count && count > 1) words.push("--count", String(count));
  return words.map(quoted).join(" ");
}

/**
 * Buttons that copy a check.
 * @param {Question} body with names
 * @param {Api["CheckResult"]} result
 */
export function copyRow(body, result) {
  return copyButtons([
    ["Link", () => location.href],
    ["curl", () => asCurl(body)],
    ["Command", () => asCommand(body)],
    ["JSON", () => JSON.stringify({ request: body, answer: result }, null, 2)],
  ]);
}

/**
 * Buttons that copy an answer.
 * @param {[string, () => string][]} forms the name of each form, and its text
 */
export function copyButtons(forms) {
  const outcome = h("div", {});
  return h("div", { class: "stack copy" },
    h("p", { class: "row" }, h("span", { class: "quiet" }, "Copy as"),
      forms.map(([title, text]) => h("button", { type: "button", "aria-label": `Copy as ${title}`, onclick: () => copy(text(), outcome) }, title))),
    outcome);
}

/**
 * Browsers give a page the clipboard only over HTTPS or on localhost. Elsewhere the text is shown, to be copied by hand.
 * @param {string} text
 * @param {HTMLElement} outcome
 */
export async function copy(text, outcome) {
  try {
    await navigator.clipboard.writeText(text);
    tell(outcome, "Copied.");
  } catch {
    const shown = h("pre", { tabindex: "0", "aria-label": "The text" }, text);
    replace(outcome, h("p", {}, "The browser gives this page no clipboard. Copy the text from here:"), shown);
    shown.focus();
    getSelection()?.selectAllChildren(shown);
  }
}

/**
 * @param {HTMLElement} outcome
 * @param {string} sentence
 */
export function tell(outcome, sentence) {
  replace(outcome, h("p", { class: "quiet" }, sentence));
  announce(sentence);
}
