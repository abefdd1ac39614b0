/** The picture as a list, with a filter: for the keyboard, for those who listen, and to find one among many. */
import { announce, byId, h, plural, replace } from "./dom.js";
import { addressOf, caption, compare, HOST, isDrawn, NOWHERE, portsOf, words } from "./model.js";

export class Explore extends EventTarget {
  #list = byId("things");
  #field = byId("filter");
  #model = null;
  #chosen = null;

  constructor() {
    super();
    this.#field.addEventListener("input", () => {
      this.#draw();
      this.dispatchEvent(new CustomEvent("filter", { detail: this.#field.value.trim() ? this.#keeps : null }));
      announce(`${plural(this.#model?.containers.filter(this.#keeps).length ?? 0, "container")} shown`);
    });
    this.#list.addEventListener("click", (event) => {
      const { id, kind } = event.target.closest("button")?.dataset ?? {};
      if (id) this.dispatchEvent(new CustomEvent("choose", { detail: { id, kind } }));
    });
  }

  update(model) {
    this.#model = model;
    this.#draw();
  }

  mark(id) {
    this.#chosen = id;
    this.#draw();
  }

  /** A container is kept when every word of the filter stands somewhere in what is known of it. */
  #keeps = (container) => {
    if (!container) return true;
    const text = words(container.name, container.image, container.state, container.id.slice(0, 12), portsOf(container),
      ...container.endpoints.flatMap((one) => [one.network.name, one.ipv4_address, one.ipv6_address, ...(one.aliases ?? [])])).toLowerCase();
    return this.#field.value.toLowerCase().split(/\s+/).every((word) => text.includes(word));
  };

  #draw() {
    if (!this.#model) return;
    const groups = new Map(this.#model.networks.filter(isDrawn).sort(compare).map((network) => [network.id, { network, inside: [] }]));
    groups.set(NOWHERE, { name: "No network", inside: [] }).set(HOST, { name: "Host", inside: [] });
    for (const container of [...this.#model.containers].sort(compare)) groups.get(container.home).inside.push(container);
    const filtered = this.#field.value.trim() !== "";
    const sections = [...groups].map(([id, group]) => {
      const inside = group.inside.filter(this.#keeps);
      return (inside.length || (!filtered && id !== NOWHERE)) && this.#section(id, group, inside);
    }).filter(Boolean);
    replace(this.#list, sections.length ? sections : h("p", { class: "quiet" }, "Nothing fits the filter."));
  }

  #section(id, { network, name }, inside) {
    const title = network?.name ?? name;
    return h("section", { class: "group" },
      h("h3", {}, network || id === HOST ? this.#button(id, network ? "network" : "host", title, network ? caption(network) : "links, routes, bridges") : title),
      inside.length > 0 && h("ul", {}, inside.map((one) => h("li", {}, this.#button(one.id, "container", one.name, words(one.running ? addressOf(one) : one.state, portsOf(one)), one)))));
  }

  #button(id, kind, title, under, container) {
    const dot = container && h("span", { class: `dot ${container.state === "paused" ? "paused" : container.running ? "running" : "stopped"}`, "aria-hidden": "true" });
    return h("button", { type: "button", class: `thing ${kind}`, "data-id": id, "data-kind": kind, "data-key": `thing-${id}`, "aria-pressed": String(id === this.#chosen) },
      dot, h("span", { class: "thing-name" }, title), h("span", { class: "thing-under" }, under));
  }
}
