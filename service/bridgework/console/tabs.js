/**
 * Tabs as the ARIA practices describe them: arrow keys move between them, and the Tab key reaches only the chosen one.
 */
import { byId, within } from "./dom.js";

/**
 * @param {HTMLElement} list with the role `tablist`
 * @param {(id: string) => void} onShow is called with the id of the panel that is now shown
 */
export function tabs(list, onShow) {
  const all = [...list.querySelectorAll("button")];
  const panelOf = (/** @type {HTMLElement} */ tab) => tab.getAttribute("aria-controls") ?? "";
  const show = (/** @type {HTMLElement | undefined} */ tab, focus = false) => {
    if (!tab) return;
    for (const other of all) {
      const on = other === tab;
      other.setAttribute("aria-selected", String(on));
      other.tabIndex = on ? 0 : -1;
      byId(panelOf(other)).hidden = !on;
    }
    if (focus) tab.focus();
    onShow(panelOf(tab));
  };
  list.addEventListener("click", (event) => {
    show(within(event, "[role=tab]") ?? undefined);
  });
  list.addEventListener("keydown", (event) => {
    const at = all.findIndex((tab) => tab === document.activeElement);
    const to = new Map([["ArrowRight", at + 1], ["ArrowLeft", at - 1], ["Home", 0], ["End", all.length - 1]]).get(event.key);
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    show(all[(to + all.length) % all.length], true);
  });
  return { show: (/** @type {string} */ id) => show(all.find((tab) => panelOf(tab) === id) ?? all[0]) };
}
