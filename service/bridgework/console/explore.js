/**
 * The picture as a list, with a filter: for the keyboard, for screen readers, and to find one container among many.
 *
 * @import { Marks } from "./badges.js"
 * @import { Container, Model, Network, Thing } from "./model.js"
 * @typedef {(container: Container | undefined) => boolean} Keep whether the filter keeps a container
 */
import { badges, markWords } from "./badges.js";
import { announce, byId, Emitter, h, plural, replace, within } from "./dom.js";
import { stateOf } from "./elements.js";
import { linked, relink } from "./link.js";
import { addressOf, caption, compare, HOST, isDrawn, NOWHERE, portsOf, words } from "./model.js";

/** The networks of a container beside the one under which the list has it. @param {Container} container */
function alsoOn({ endpoints, home }) {
  const others = endpoints.filter(({ network }) => isDrawn(network) && network.id !== home);
  return others.length > 0 && `also on ${others.map(({ network }) => network.name).join(", ")}`;
}

/** @extends {Emitter<{choose: Thing, filter: Keep | null}>} `filter`: null keeps everything */
export class Explore extends Emitter {
  #list = byId("things");
  #field = byId("filter", HTMLInputElement);
  /** @type {Model | null} */
  #model = null;
  /** @type {string | null} */
  #chosen = null;
  /** @type {Marks} */
  #marks = new Map();

  constructor() {
    super();
    this.#field.value = linked("filter");
    this.#field.addEventListener("input", () => {
      this.#draw();
      this.#filter();
      announce(`${plural(this.#model?.containers.filter(this.#keeps).length ?? 0, "container")} shown`);
    });
    badges.on("marks", (marks) => {
      this.#marks = marks;
      this.#draw();
    });
    this.#list.addEventListener("click", (event) => {
      const { id, kind } = within(event, "button")?.dataset ?? {};
      if (id && kind) this.emit("choose", { id, kind });
    });
  }

  #filter() {
    relink({ filter: this.#field.value });
    this.emit("filter", this.#field.value.trim() ? this.#keeps : null);
  }

  /** @param {Model} model */
  update(model) {
    const first = !this.#model;
    this.#model = model;
    this.#draw();
    if (first && this.#field.value) this.#filter();
  }

  /**
   * Mark the chosen thing.
   * @param {string | null} id
   */
  mark(id) {
    this.#chosen = id;
    this.#draw();
  }

  /**
   * A container is kept if every word of the filter is in its names, addresses, ports, image or state.
   * @type {Keep}
   */
  #keeps = (container) => {
    if (!container) return true;
    const text = words(container.name, container.project, container.image, container.state, container.id.slice(0, 12), portsOf(container),
      ...container.endpoints.flatMap((one) => [one.network.name, one.ipv4_address, one.ipv6_address, ...(one.aliases ?? [])])).toLowerCase();
    return this.#field.value.toLowerCase().split(/\s+/).every((word) => text.includes(word));
  };

  #draw() {
    if (!this.#model) return;
    const containers = [...this.#model.containers].sort(compare);
    const places = [
      ...this.#model.networks.filter(isDrawn).sort(compare).map((network) => ({ id: network.id, network })), { id: NOWHERE, network: null }, { id: HOST, network: null },
    ];
    const filtered = this.#field.value.trim() !== "";
    const sections = places.flatMap(({ id, network }) => {
      const inside = containers.filter((one) => one.home === id && this.#keeps(one));
      return inside.length || (!filtered && id !== NOWHERE) ? [this.#section(id, network, inside)] : [];
    });
    replace(this.#list, sections.length ? sections : h("p", { class: "quiet" }, "No container fits the filter."));
  }

  /**
   * @param {string} id
   * @param {Network | null} network
   * @param {Container[]} inside
   */
  #section(id, network, inside) {
    const host = id === HOST && this.#button(id, "host", "Host", "links, routes, bridges");
    return h("section", { class: "group" },
      h("h3", {}, network ? this.#button(id, "network", network.name, caption(network)) : host || "No network"),
      inside.length > 0 && h("ul", {}, inside.map((one) => h("li", {}, this.#button(one.id, "container", one.name, words(one.running ? addressOf(one) : one.state, alsoOn(one), portsOf(one)), one)))));
  }

  /**
   * @param {string} id
   * @param {string} kind
   * @param {string} title
   * @param {string} under
   * @param {Container} [container]
   */
  #button(id, kind, title, under, container) {
    const mark = this.#marks.get(id);
    const dot = container && h("span", { class: `dot ${stateOf(container)}`, "aria-hidden": "true" });
    return h("button", { type: "button", class: `thing ${kind}`, "data-id": id, "data-kind": kind, "data-key": `thing-${id}`, "aria-pressed": String(id === this.#chosen) },
      dot, h("span", { class: "thing-name" }, title), h("span", { class: "thing-under" }, under), mark && h("span", { class: `tag ${mark.severity}` }, markWords(mark)));
  }
}
