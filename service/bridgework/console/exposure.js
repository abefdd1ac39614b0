/**
 * From where each port of each container is reachable, as the service predicts it from the rules in force. Nothing is
 * sent, so the view reads as soon as it is opened, and again when one of its fields changes.
 *
 * @import { Model } from "./model.js"
 * @typedef {{origin: HTMLSelectElement, container: HTMLSelectElement, show: HTMLSelectElement}} Fields
 */
import { call } from "./api.js";
import { Asking } from "./asking.js";
import { byId, h, plural, replace } from "./dom.js";
import { limitedView } from "./limited.js";
import { linked, relink } from "./link.js";
import { compare } from "./model.js";
import { portsView } from "./ports.js";

/** The verdicts of each choice. What cannot be told may be open, so it is shown with what is reachable. */
const VERDICTS = new Map([["open", ["reachable", "inconclusive"]], ["past", ["reachable"]], ["closed", ["unreachable"]], ["all", []]]);
/** The service simulates at most 2,000 packets for a page, which take about 2 ms each with 400 published ports. */
const ROWS_AT_ONCE = 500;

export class Exposure {
  #form = byId("exposure-form", HTMLFormElement);
  #fields = /** @type {HTMLFormControlsCollection & Fields} */ (this.#form.elements);
  #place = byId("exposure");
  #asking = new Asking();
  /** @type {Model | null} */
  #model = null;
  #project = "";
  /** Whether the view shows an answer, or waits for one. */
  #read = false;
  /** @type {Api["Exposure"][]} */
  #rows = [];

  constructor() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#begin();
    });
    this.#form.addEventListener("change", () => {
      this.#relink();
      this.#begin();
    });
    const { origin, show } = this.#fields;
    for (const field of [origin, show]) {
      field.value = linked(`exposure-${field.name}`);
      if (!field.value) field.selectedIndex = 0;
    }
  }

  /** Write the fields into the page's address; the first choice of each needs no word. */
  #relink() {
    const { origin, container, show } = this.#fields;
    relink(Object.fromEntries([origin, container, show].map(({ name, value, selectedIndex: at }) => [`exposure-${name}`, at ? value : ""])));
  }

  /**
   * @param {Model} model
   * @param {string} project that the page shows alone
   */
  update(model, project) {
    const { container } = this.#fields;
    const chosen = this.#model ? container.value : linked("exposure-container");
    this.#model = model;
    const names = model.containers.filter((one) => one.running).sort(compare).map((one) => one.name);
    container.replaceChildren(h("option", { value: "" }, project ? `containers of ${project}` : "all containers"), ...names.map((name) => h("option", {}, name)));
    container.value = names.includes(chosen) ? chosen : "";
    if (project === this.#project) return;
    this.#project = project;
    this.#read = false;
    if (!byId("view-exposure").hidden) this.#begin();
  }

  /** Read when the view is opened for the first time. */
  open() {
    if (!this.#read) this.#begin();
  }

  /** Show the ports of one container. @param {string} name */
  choose(name) {
    this.#fields.container.value = name;
    this.#form.dispatchEvent(new Event("change"));
  }

  /** The engine has changed: say that the answer may be out of date. */
  stale() {
    byId("exposure-note").textContent = this.#read ? "The engine has changed since this was read." : "";
  }

  #begin() {
    this.#read = true;
    this.#rows = [];
    byId("exposure-note").textContent = "";
    this.#more("");
  }

  /**
   * Read further rows. With filters a page can hold few rows or none and have a next page, so it reads until there are enough.
   * @param {string | null} cursor
   */
  async #more(cursor) {
    const place = this.#rows.length ? byId("exposure-more") : this.#place;
    /** @type {Api["ExposurePage"] | null} */
    const found = await this.#asking.ask(place, "Simulating packets in the rules of the host …", async (signal) => {
      /** @type {Api["ExposurePage"]} */
      let page;
      let next = cursor;
      const rows = [];
      do {
        page = await call("GET", `/v1/exposure?${this.#query(next)}`, null, { signal });
        rows.push(...page.items.filter((one) => this.#keeps(one)));
        next = page.next_cursor;
      } while (next && rows.length < ROWS_AT_ONCE);
      return { ...page, items: rows };
    });
    if (found) this.#show(found);
    else if (!this.#rows.length) this.#read = false;
  }

  /**
   * The service's own filter by project knows only the projects of the service, and the page shows those of Docker Compose too.
   * @param {Api["Exposure"]} one
   */
  #keeps({ container, past_host_firewall: past }) {
    const shown = !this.#project || this.#model?.containerOf.has(container.id ?? "");
    return shown && (past || this.#fields.show.value !== "past");
  }

  /** @param {string | null} cursor */
  #query(cursor) {
    const { origin, container, show } = this.#fields;
    /** @type {[string, string][]} */
    const words = [["limit", String(ROWS_AT_ONCE)], ["cursor", cursor ?? ""], ["origin", origin.value], ["container", container.value]];
    const verdicts = (VERDICTS.get(show.value) ?? []).map((one) => ["verdict", one]);
    return new URLSearchParams([...words.filter(([, value]) => value), ...verdicts]);
  }

  /** @param {Api["ExposurePage"]} page */
  #show({ items, next_cursor: next, limited }) {
    this.#rows.push(...items);
    replace(this.#place, h("p", { role: "status" }, summary(this.#rows, Boolean(next))), portsView(this.#rows),
      h("div", { id: "exposure-more" }, next && h("button", { type: "button", "data-key": "exposure-more", onclick: () => this.#more(next) }, "Show more")),
      limitedView(limited));
  }
}

/**
 * @param {Api["Exposure"][]} rows
 * @param {boolean} more whether further rows can be read
 */
function summary(rows, more) {
  if (!rows.length) return "There are no such ports.";
  const portOf = (/** @type {Api["Exposure"]} */ one) => JSON.stringify([one.container.id, one.container_port, one.protocol]);
  const count = (/** @type {Api["Exposure"][]} */ list) => plural(new Set(list.map(portOf)).size, "port");
  const past = rows.filter((one) => one.past_host_firewall);
  return `${count(rows)}${more ? ", and there are more" : ""}.${past.length ? ` ${count(past)} past the host’s firewall.` : ""}`;
}
