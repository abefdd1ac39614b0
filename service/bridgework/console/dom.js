/**
 * Small helpers to build the page: elements, events, announcements, numbers in words. Text is never parsed as markup.
 *
 * @typedef {Node | string | number | boolean | null | undefined | Child[]} Child
 * @typedef {string | number | boolean | null | undefined | ((event: Event) => unknown)} Attribute
 */

const SVG = "http://www.w3.org/2000/svg";
/** Attributes that people read. */
const READ = new Set(["aria-label", "title"]);

/**
 * A text with an escape for each character that is not shown, such as U+202E, which reverses the line. A container can
 * have it in a label. Line breaks and tabs stay.
 * @param {string} text
 */
export const printable = (text) => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (one) => (one === "\n" || one === "\t" ? one : `\\u{${one.codePointAt(0)?.toString(16)}}`));

/**
 * `h("button", {class: "quiet", onclick: send}, "Send")`. Children and attributes that are `null`, `undefined` or
 * `false` are left out, so `count > 0 && h(…)` is a child.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Attribute>} [attributes]
 * @param {...Child} children
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * The same for SVG.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Attribute>} [attributes]
 * @param {...Child} children
 */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * @template {Element} Kind
 * @param {Kind} element
 * @param {Record<string, Attribute>} attributes
 * @param {Child[]} children
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice("on".length), value);
    else element.setAttribute(name, value === true ? "" : READ.has(name) ? printable(String(value)) : String(value));
  }
  element.append(...nodes(children));
  return element;
}

/**
 * Flatten lists, and leave out what is no content.
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  return children.flatMap((child) => {
    if (Array.isArray(child)) return nodes(child);
    if (child === null || child === undefined || typeof child === "boolean") return [];
    return [child instanceof Node ? child : printable(String(child))];
  });
}

/**
 * The element of index.html with an id; an error if the page has none of that class.
 * @template {HTMLElement} [Kind=HTMLElement]
 * @param {string} id
 * @param {new () => Kind} [kind]
 * @returns {Kind}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (found instanceof (kind ?? HTMLElement)) return /** @type {Kind} */ (found);
  throw new Error(`The page has no ${kind?.name ?? "element"} with the id ${id}.`);
}

/**
 * The element that an event came from, or the nearest one around it that fits the selector.
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export function within({ target }, selector) {
  return target instanceof Element ? target.closest(selector) : null;
}

/**
 * Replace the content of an element. The keyboard's focus stays on the element with the same `data-key`, if there is one.
 * @param {Element} parent
 * @param {...Child} children
 */
export function replace(parent, ...children) {
  const active = document.activeElement;
  const focused = active instanceof HTMLElement && parent.contains(active) ? active.dataset.key : undefined;
  parent.replaceChildren(...nodes(children));
  if (!focused) return;
  const again = parent.querySelector(`[data-key="${CSS.escape(focused)}"]`);
  if (again instanceof HTMLElement) again.focus();
}

/**
 * An object that tells others what happened. `Events` names each event and the type of its detail.
 * @template {Record<string, any>} Events
 */
export class Emitter {
  #target = new EventTarget();

  /**
   * @template {keyof Events & string} Name
   * @param {Name} name
   * @param {(detail: Events[Name]) => unknown} listener
   */
  on(name, listener) {
    this.#target.addEventListener(name, (event) => listener(/** @type {CustomEvent<Events[Name]>} */ (event).detail));
  }

  /**
   * @template {keyof Events & string} Name
   * @param {Name} name
   * @param {Events[Name]} detail
   */
  emit(name, detail) {
    this.#target.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/**
 * Say something to people who use a screen reader.
 * @param {string} text
 */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** @type {(count: number, noun: string) => string} */
export const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/** @param {number | null | undefined} value */
export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(2)} ms`;
}

/**
 * Line icons, 16 by 16: the paths of each kind of hop, verdict and mark.
 * @type {Record<string, string[]>}
 */
const SHAPES = {
  reachable: ["M3 8.5l3.2 3.2L13 4.8"],
  unreachable: ["M4 4l8 8", "M12 4l-8 8"],
  inconclusive: ["M5.6 6a2.4 2.4 0 1 1 3.5 2.1c-.8.5-1.1.9-1.1 1.7", "M8 12.2v.3"],
  interface: ["M3 10V5h10v5", "M5 10v2M8 10v2M11 10v2", "M1.5 10h13"],
  veth: ["M2 8h3M11 8h3", "M5 5.5v5M11 5.5v5", "M7 8h2"],
  bridge: ["M1.5 11h13", "M3 11V5M13 11V5", "M3 5c2.5 4.5 7.5 4.5 10 0"],
  overlay: ["M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0", "M2 8h12", "M8 2c-4 3.5-4 8.5 0 12c4-3.5 4-8.5 0-12"],
  vxlan: ["M1.5 5h13M1.5 11h13", "M4 8h8", "M10 6l2 2-2 2"],
  node: ["M2.5 3h11v4h-11z", "M2.5 9h11v4h-11z", "M5 5h.1M5 11h.1"],
  routing: ["M8 14V8L3.5 3.5M8 8l4.5-4.5", "M3.5 6V3.5H6M10 3.5h2.5V6"],
  "published-port": ["M9 3h4v4", "M13 3L7 9", "M11 9.5V13H3V5h3.5"],
  listener: ["M4 6a4 4 0 0 1 8 0c0 2.5-2 2.7-2.3 4.5C9.5 12 8.6 13 7.5 13c-.9 0-1.5-.6-1.7-1.3"],
  container: ["M2 5l6-3 6 3v6l-6 3-6-3z", "M2 5l6 3 6-3M8 8v6"],
  name: ["M2 8V3h5l7 7-5 5z", "M5 6v.1"],
  stop: ["M5 1.8h6L14.2 5v6L11 14.2H5L1.8 11V5z", "M8 4.8v4M8 11v.2"],
};

/** @param {string} kind */
export function icon(kind) {
  const paths = (SHAPES[kind] ?? ["M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5"]).map((d) => s("path", { d }));
  return s("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" }, ...paths);
}

/**
 * A table. Its caption is for people who use a screen reader.
 * @param {string} caption
 * @param {string[]} heads
 * @param {Child[][]} rows
 */
export function table(caption, heads, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { class: "facts" },
      h("caption", { class: "heard" }, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell ?? "–")))))));
}

/**
 * What is shown of a call that failed: the problem, its remedy, and each fault of the request.
 * @param {import("./api.js").Trouble} problem
 */
export function problemNote(problem) {
  return h("div", { class: "note bad", role: "alert" },
    h("p", {}, h("strong", {}, problem.message)),
    problem.remedy && h("p", {}, problem.remedy.summary),
    problem.faults.length > 0 && h("ul", {}, problem.faults.map((fault) => h("li", {}, `${fault.pointer ?? fault.name ?? fault.in}: ${fault.message}`))));
}
