/** What is inside the chosen thing: a container's interfaces, routes, names and sockets; a network's; the host's. */
import { call } from "./api.js";
import { byId, h, plural, problemNote, replace, table } from "./dom.js";
import { findingCard } from "./findings.js";
import { caption, words } from "./model.js";

const names = (list) => list.map((one) => one.name).join(", ");
const cidr = (list) => list.map((one) => h("code", {}, `${one.address}/${one.prefix_len}`));
const code = (text) => text && h("code", {}, text);

/** Each part of a container's inside: its path, its title, and how its answer is shown. */
const PARTS = [
  ["interfaces", "Interfaces", ({ items }) => table("Interfaces", ["Name", "Addresses", "On the host", "State"], items.map((one) => [
    code(one.name), cidr(one.addresses), one.peer ? words(one.peer.name, one.bridge && `port of ${one.bridge.name}`) : null, `${one.state}, MTU ${one.mtu_bytes}`]))],
  ["routes", "Routes", ({ items }) => table("Routes", ["To", "Through", "By"], items.map((one) => [
    code(one.destination === "0.0.0.0/0" || one.destination === "::/0" ? `default (${one.family})` : one.destination), code(one.gateway ?? "directly"), code(one.interface)]))],
  ["dns", "Names", dns],
  ["sockets", "Listening sockets", ({ items }) => table("Listening sockets", ["Protocol", "Bound to", "Program"], items.map((one) => [
    one.protocol, code(one.address.includes(":") ? `[${one.address}]:${one.port}` : `${one.address}:${one.port}`), one.process]))],
];

function dns({ resolver, names: known }) {
  const server = resolver && (resolver.uses_embedded_dns
    ? "Asks Docker’s embedded server, which knows the names on its networks."
    : `Asks ${resolver.nameservers.join(", ") || "nobody"} directly: no server here knows containers by name.`);
  return [server && h("p", { class: "quiet" }, server),
    table("Names it can resolve", ["Name", "Leads to", "Where"], known.map((one) => [code(one.name), code(one.addresses.join(", ")), one.network?.name ?? "hosts file"]))];
}

export class Inside extends EventTarget {
  #place = byId("inside");
  #reading = 0;

  /** Show a thing; what takes long appears as it comes, and what cannot be shown says why. */
  async show(thing, model) {
    const reading = ++this.#reading;
    const current = (make) => (...answer) => reading === this.#reading && make(...answer);
    if (!thing) return this.#place.replaceChildren(h("p", { class: "quiet" }, "Choose a container, a network or the host, in the picture or in the list."));
    const title = h("h2", { tabindex: "-1" }, model.containerOf.get(thing.id)?.name ?? model.networkOf.get(thing.id)?.name ?? thing.kind);
    const body = h("div", { class: "stack" }, h("p", { class: "quiet" }, "Looking …"));
    replace(this.#place, title, body);
    const path = { container: `/v1/containers/${thing.id}`, network: `/v1/networks/${thing.id}`, host: "/v1/host/interfaces?limit=1000" }[thing.kind];
    await call("GET", path).then(
      current((answer) => replace(body, this.#parts(thing, answer, model, current))),
      current((problem) => replace(body, problemNote(problem))));
  }

  #parts(thing, answer, model, current) {
    if (thing.kind === "host") return host(answer);
    if (thing.kind === "network") return network(answer, model);
    return this.#container(answer, current);
  }

  #container(one, current) {
    const ports = one.published_ports.map((port) => `${port.host_ip.includes(":") ? `[${port.host_ip}]` : port.host_ip || "0.0.0.0"}:${port.host_port} → ${port.container_port}/${port.protocol}`);
    const ask = (role) => () => this.dispatchEvent(new CustomEvent("check", { detail: { role, id: one.id } }));
    return [
      h("p", {}, words(one.state, one.image, `mode ${one.network_mode.replace(/[0-9a-f]{52}$/, "")}`, one.shares_network_with && `shares the network of ${one.shares_network_with.name}`)),
      ports.length > 0 && h("p", { class: "code" }, ports.map((port) => h("span", { class: "tag" }, port))),
      h("p", { class: "row" }, h("button", { type: "button", onclick: ask("source") }, "Check from here"), h("button", { type: "button", onclick: ask("destination") }, "Check to here")),
      one.findings.map((finding) => findingCard(finding, { onMended: () => this.dispatchEvent(new CustomEvent("mended")) })),
      h("h3", {}, "Endpoints"),
      one.endpoints.length ? table("Endpoints", ["Network", "Address", "Gateway", "Names"], one.endpoints.map((end) => [
        end.network.name, code(end.ipv4_address ?? end.ipv6_address), code(end.gateway), [...new Set(end.dns_names)].join(", ")])) : h("p", { class: "quiet" }, "None of its own."),
      one.state === "running" || one.state === "paused"
        ? PARTS.map((part) => section(one.id, part, current))
        : h("p", { class: "quiet" }, "It is not running: there is no inside to look at."),
    ];
  }
}

function section(id, [path, title, shown], current) {
  const body = h("div", {}, h("p", { class: "quiet" }, "Looking …"));
  call("GET", `/v1/containers/${id}/${path}`).then(
    current((answer) => replace(body, shown(answer))), current((problem) => replace(body, problemNote(problem))));
  return h("section", {}, h("h3", {}, title), body);
}

function network(one, model) {
  const members = model.networkOf.get(one.id)?.members ?? [];
  const pools = one.ipam.pools.map((pool) => words(pool.subnet, pool.gateway && `gateway ${pool.gateway}`, pool.ip_range && `range ${pool.ip_range}`));
  return [
    h("p", {}, words(caption({ ...one, subnets: [] }), one.scope, one.builtin && "the engine’s own", one.project)),
    h("p", { class: "code" }, pools.map((pool) => h("span", { class: "tag" }, pool))),
    one.name === "bridge" && one.builtin && h("p", { class: "note" }, "On the default bridge containers reach each other by address. Names between them are known only on a network of one’s own."),
    h("h3", {}, plural(members.length, "container")),
    members.length > 0 && table("Containers", ["Name", "State", "Address"], members.map((member) => {
      const end = member.endpoints.find((each) => each.network.id === one.id);
      return [member.name, member.state, code(end?.ipv4_address ?? end?.ipv6_address)];
    })),
  ];
}

function host({ items, routes }) {
  return [
    h("h3", {}, "Links"),
    table("Links of the host", ["Name", "Kind", "Addresses", "Serves"], items.map((one) => [
      code(one.name), one.kind, cidr(one.addresses),
      words(one.network?.name, one.container?.name, one.ports.length > 0 && `${plural(one.ports.length, "port")}: ${names(one.ports)}`, one.orphan && "nobody: left over")])),
    h("h3", {}, "Routes"),
    table("Routes of the host", ["To", "Through", "By"], routes.map((one) => [code(one.destination), code(one.gateway ?? "directly"), code(one.interface)])),
  ];
}
