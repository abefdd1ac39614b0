/**
 * All findings about the engine in its present state. An examination enters every container's namespace, so it runs only
 * when a person opens the tab or asks again.
 */
import { call } from "./api.js";
import { Asking } from "./asking.js";
import { badges } from "./badges.js";
import { byId, Emitter, h, plural, replace } from "./dom.js";
import { findingCard } from "./findings.js";
import { limitedView } from "./limited.js";
import { upgradeForm } from "./plan.js";

const NAMES_SHOWN = 4;

/**
 * In the order of the most severe of each code, which the service lists first.
 * @param {Api["Finding"][]} items
 */
function byCode(items) {
  /** @type {Map<string, Api["Finding"][]>} */
  const groups = new Map();
  for (const one of items) groups.set(one.code, [...(groups.get(one.code) ?? []), one]);
  return [...groups.values()];
}

/** What a group is about. @param {Api["Finding"][]} group */
function names(group) {
  const all = [...new Set(group.map((one) => one.component.name))];
  return `${all.slice(0, NAMES_SHOWN).join(", ")}${all.length > NAMES_SHOWN ? ` and ${all.length - NAMES_SHOWN} more` : ""}`;
}

/** @extends {Emitter<{changed: null}>} `changed`: a remedy was sent */
export class Diagnostics extends Emitter {
  #place = byId("findings");
  #read = false;
  #asking = new Asking();

  constructor() {
    super();
    byId("examine").addEventListener("click", () => this.read());
    upgradeForm(byId("upgrade-form", HTMLFormElement), byId("upgrade"));
  }

  /** Examine when the tab is opened for the first time. */
  open() {
    if (!this.#read) this.read();
  }

  /** The engine has changed: say that the findings may be out of date, and read again what needs no examination. */
  stale() {
    void badges.read();
    byId("findings-note").textContent = this.#read ? "The engine has changed since this examination." : "";
  }

  async read() {
    this.#read = true;
    byId("findings-note").textContent = "";
    /** @type {Api["Diagnosis"] | null} */
    const found = await this.#asking.ask(this.#place, "Examining the whole engine …", (signal) => (
      call("GET", "/v1/diagnostics?limit=1000", null, { signal })));
    if (found) {
      const { items, limited } = found;
      badges.examined(items);
      byId("findings-count").textContent = items.length ? String(items.length) : "";
      replace(this.#place,
        h("p", { role: "status" }, items.length ? `${plural(items.length, "finding")}, the most severe first.` : "Nothing is wrong: there are no findings."),
        limitedView(limited),
        byCode(items).map((group) => this.#group(group)));
    } else this.#read = false;
  }

  /**
   * Findings with one code, as one card if there are several. @param {Api["Finding"][]} group
   */
  #group(group) {
    const cards = group.map((finding) => findingCard(finding, { onFixed: () => this.#fixed() }));
    const [first] = group;
    if (!first || group.length === 1) return cards;
    return h("details", { class: `finding kind ${first.severity}` },
      h("summary", {}, `${plural(group.length, "finding")} `, h("code", {}, first.code), ` ${names(group)}`), h("div", { class: "stack" }, cards));
  }

  /** A remedy was sent: examine again. */
  #fixed() {
    this.emit("changed", null);
    this.read();
  }
}
