/**
 * The details of the chosen thing: a container's endpoints, interfaces, routes, names and sockets; a network's pools and
 * containers; the host's links and routes.
 *
 * @import { Child } from "./dom.js"
 * @import { Model, Thing } from "./model.js"
 * @import { Wanted } from "./reach.js"
 * @typedef {(make: (answer: any) => void) => (answer: any) => void} Current drops an answer that comes after another thing was chosen
 * @typedef {{path: string, title: string, shown: (answer: any) => Child}} Part
 */
import { call } from "./api.js";
import { byId, Emitter, h, plural, problemNote, replace, table } from "./dom.js";
import { findingCard } from "./findings.js";
import { containerQuestions, disconnectButton, networkQuestions } from "./questions.js";
import { caption, HOST, words } from "./model.js";

const NOTHING_CHOSEN = "Choose a container, a network or the host, in the picture or in the list.";
/** @param {{name: string}[]} list */
const names = (list) => list.map((one) => one.name).join(", ");
/** @param {Api["InterfaceAddress"][]} list */
const cidr = (list) => list.map((one) => h("code", {}, `${one.address}/${one.prefix_len}`));
/** @param {string | null | undefined} text */
const code = (text) => text && h("code", {}, text);
/** @type {(address: string, port: number | string | null) => string} */
const joined = (address, port) => `${address.includes(":") ? `[${address}]` : address || "0.0.0.0"}:${port ?? "?"}`;

/**
 * What is read from inside a container: its path, its title, and how its answer is shown.
 * @type {Part[]}
 */
const PARTS = [
  { path: "interfaces", title: "Interfaces", shown: interfaces },
  { path: "routes", title: "Routes", shown: routes },
  { path: "dns", title: "Names", shown: dns },
  { path: "sockets", title: "Listening sockets", shown: sockets },
];

/** @param {Api["InsideInterfacePage"]} page */
function interfaces({ items }) {
  return table("Interfaces", ["Name", "Addresses", "On the host", "State"], items.map((one) => [
    code(one.name), cidr(one.addresses), one.peer ? words(one.peer.name, one.bridge && `port of ${one.bridge.name}`) : null, `${one.state}, MTU ${one.mtu_bytes}`]));
}

/** @param {Api["RoutePage"]} page */
function routes({ items }) {
  return table("Routes", ["To", "Through", "By"], items.map((one) => [
    code(one.destination === "0.0.0.0/0" || one.destination === "::/0" ? `default (${one.family})` : one.destination), code(one.gateway ?? "directly"), code(one.interface)]));
}

/** @param {Api["SocketPage"]} page */
function sockets({ items }) {
  return table("Listening sockets", ["Protocol", "Bound to", "Program"], items.map((one) => [one.protocol, code(joined(one.address, one.port)), one.process]));
}

/** @param {Api["ContainerDns"]} answer */
function dns({ resolver, names: known }) {
  const server = resolver && (resolver.uses_embedded_dns
    ? "The container asks Docker’s embedded DNS server, which knows the names on the container’s networks."
    : `The container asks ${resolver.nameservers.join(", ") || "no server"} directly: no server here knows containers by name.`);
  return [server && h("p", { class: "quiet" }, server),
    table("Names it can resolve", ["Name", "Leads to", "Where"], known.map((one) => [code(one.name), code(one.addresses.join(", ")), one.network?.name ?? "hosts file"]))];
}

/** @extends {Emitter<{check: {source?: string, destination?: string}, exposure: string, reach: Wanted, plan: Api["Call"][], upgrade: null, changed: null}>} `exposure`: the name of a
 *   container whose ports are to be shown; `changed`: a remedy was sent */
export class Inside extends Emitter {
  #place = byId("inside");
  #reading = 0;

  /**
   * Show a thing. Each part is shown when its answer comes; a part that fails shows the reason.
   * @param {Thing | null} thing
   * @param {Model} model
   */
  async show(thing, model) {
    const reading = ++this.#reading;
    if (!thing) {
      this.#place.replaceChildren(h("p", { class: "quiet" }, NOTHING_CHOSEN));
      return;
    }
    /** @type {Current} */
    const current = (make) => (answer) => {
      if (reading === this.#reading) make(answer);
    };
    const title = h("h2", { tabindex: "-1" }, model.containerOf.get(thing.id)?.name ?? model.networkOf.get(thing.id)?.name ?? thing.kind);
    const body = h("div", { class: "stack" }, h("p", { class: "quiet" }, "Reading …"));
    replace(this.#place, title, body);
    const path = thing.kind === "host" ? "/v1/host/interfaces?limit=1000" : `/v1/${thing.kind}s/${thing.id}`;
    await call("GET", path).then(
      current((answer) => replace(body, this.#parts(thing, answer, model, current))),
      current((problem) => replace(body, problemNote(problem))));
  }

  /**
   * @param {Thing} thing
   * @param {any} answer of the type that belongs to the thing's kind
   * @param {Model} model
   * @param {Current} current
   */
  #parts(thing, answer, model, current) {
    if (thing.kind === "host") return [h("p", { class: "row" }, this.#reachButtons(HOST), h("button", { type: "button", onclick: () => this.emit("upgrade", null) }, "What if you upgrade Docker?")), host(answer)];
    if (thing.kind === "network") return network(answer, model, (changes) => this.emit("plan", changes));
    return this.#container(thing.id, answer, model, current);
  }

  /** @param {string} of the name of a container, or `host` */
  #reachButtons(of) {
    return [["sources", "Who can reach it?"], ["destinations", "What can it reach?"]].map(([find = "", title]) => (
      h("button", { type: "button", onclick: () => this.emit("reach", { find, of }) }, title)));
  }

  /**
   * @param {string} id
   * @param {Api["Container"]} one
   * @param {Model} model
   * @param {Current} current
   * @returns {Child[]}
   */
  #container(id, one, model, current) {
    const plan = (/** @type {Api["Call"][]} */ changes) => this.emit("plan", changes);
    const ports = one.published_ports.map((port) => `${joined(port.host_ip, port.host_port)} → ${port.container_port}/${port.protocol}`);
    return [
      h("p", {}, words(one.state, one.image, `mode ${one.network_mode.replace(/[0-9a-f]{52}$/, "")}`, one.shares_network_with && `shares the network of ${one.shares_network_with.name}`)),
      ports.length > 0 && h("p", { class: "code" }, ports.map((port) => h("span", { class: "tag" }, port))),
      h("p", { class: "row" }, h("button", { type: "button", onclick: () => this.emit("check", { source: id }) }, "Check from here"), h("button", { type: "button", onclick: () => this.emit("check", { destination: id }) }, "Check to here"),
        one.state === "running" && [this.#reachButtons(one.name), h("button", { type: "button", onclick: () => this.emit("exposure", one.name) }, "Its open ports")]),
      containerQuestions(one, model, plan),
      one.findings.map((finding) => findingCard(finding, { onFixed: () => this.emit("changed", null) })),
      h("h3", {}, "Endpoints"),
      one.endpoints.length ? table("Endpoints", ["Network", "Address", "Gateway", "Names"], one.endpoints.map((end) => [
        h("div", { class: "stack" }, end.network.name, disconnectButton(end.network.name, one.name, plan)), code(end.ipv4_address ?? end.ipv6_address), code(end.gateway), [...new Set(end.dns_names)].join(", ")])) : h("p", { class: "quiet" }, "The container has no endpoint of its own."),
      one.state === "running" || one.state === "paused"
        ? PARTS.map((part) => section(id, part, current))
        : h("p", { class: "quiet" }, "It is not running, so it has no interfaces, routes, names or sockets to show."),
    ];
  }
}

/**
 * @param {string} id
 * @param {Part} part
 * @param {Current} current
 */
function section(id, { path, title, shown }, current) {
  const body = h("div", {}, h("p", { class: "quiet" }, "Reading …"));
  call("GET", `/v1/containers/${id}/${path}`).then(
    current((answer) => replace(body, shown(answer))), current((problem) => replace(body, problemNote(problem))));
  return h("section", {}, h("h3", {}, title), body);
}

/**
 * @param {Api["Network"]} one
 * @param {Model} model
 * @param {(changes: Api["Call"][]) => void} plan
 * @returns {Child[]}
 */
function network(one, model, plan) {
  const members = model.networkOf.get(one.id ?? "")?.members ?? [];
  const pools = one.ipam.pools.map((pool) => words(pool.subnet, pool.gateway && `gateway ${pool.gateway}`, pool.ip_range && `range ${pool.ip_range}`));
  return [
    h("p", {}, words(caption({ ...one, subnets: [] }), one.scope, one.builtin && "built in")),
    h("p", { class: "code" }, pools.map((pool) => h("span", { class: "tag" }, pool))),
    one.name === "bridge" && one.builtin && h("p", { class: "note" }, "On the default bridge, containers reach each other by address only. They find each other by name on a network that you create."),
    !one.builtin && networkQuestions(one.name, model, plan),
    h("h3", {}, plural(members.length, "container")),
    members.length > 0 && table("Containers", ["Name", "State", "Address", "What if?"], members.map((member) => {
      const end = member.endpoints.find((each) => each.network.id === one.id);
      return [member.name, member.state, code(end?.ipv4_address ?? end?.ipv6_address), disconnectButton(one.name, member.name, plan)];
    })),
  ];
}

/**
 * @param {Api["HostInterfacePage"]} answer
 * @returns {Child[]}
 */
function host({ items, routes: ways }) {
  return [
    h("h3", {}, "Links"),
    table("Links of the host", ["Name", "Kind", "Addresses", "Serves"], items.map((one) => [
      code(one.name), one.kind, cidr(one.addresses),
      words(one.network?.name, one.container?.name, one.ports.length > 0 && `${plural(one.ports.length, "port")}: ${names(one.ports)}`, one.orphan && "nothing: left over")])),
    h("h3", {}, "Routes"),
    table("Routes of the host", ["To", "Through", "By"], ways.map((one) => [code(one.destination), code(one.gateway ?? "directly"), code(one.interface)])),
  ];
}
