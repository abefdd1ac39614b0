/**
 * From the graph of `GET /v1/topology` to what the page shows. Every container has one home, the place where it is
 * drawn, and any number of further networks, which are drawn as lines.
 *
 * @typedef {Api["Topology"]} Graph
 * @typedef {{kind: string, id: string}} Thing what can be chosen: a container, a network or the host
 * @typedef {Object} Network
 * @property {"network"} kind
 * @property {string} id
 * @property {string} name
 * @property {string} driver
 * @property {string} scope
 * @property {boolean} builtin
 * @property {boolean} internal
 * @property {boolean} [inter_container] whether its containers may reach each other
 * @property {boolean} [gone] a container still has an endpoint in it, but the engine no longer knows it
 * @property {string | null} [project]
 * @property {string[]} [subnets]
 * @property {string | null} [bridge_name]
 * @property {Container[]} members
 *
 * @typedef {Object} Endpoint
 * @property {Network} network
 * @property {string | null} ipv4_address
 * @property {string | null} ipv6_address
 * @property {string[]} [aliases]
 * @property {string | null} [interface] its name in the container
 * @property {string | null} [veth] its other end on the host; only with `?links=true`
 *
 * @typedef {Object} Container
 * @property {"container"} kind
 * @property {string} id
 * @property {string} name
 * @property {string} image
 * @property {string} state
 * @property {boolean} running
 * @property {string | null} [project] of Docker Compose, or the service's own
 * @property {string[]} [published_ports]
 * @property {Endpoint[]} endpoints
 * @property {string | null} sharesWith the id of the container whose network it shares
 * @property {string} [shareState]
 * @property {boolean} hostMode
 * @property {string} home the id of a network, `host` or `nowhere`
 * @property {string} [node] where another node of the swarm runs it: the node's id in a graph, its host name in a Model
 * @property {string} [homeName] likewise: the name of its home
 * @typedef {{kind: "interface", id: string, name: string, addresses?: string[], uplink: boolean}} Interface of the host
 *
 * @typedef {Object} EngineModel this engine alone
 * @property {Network[]} networks
 * @property {Container[]} containers
 * @property {Interface[]} interfaces
 * @property {boolean} partial whether the graph lacks links and routes of the host
 * @property {Map<string, Network>} networkOf by id
 * @property {Map<string, Container>} containerOf by id
 *
 * @typedef {EngineModel & Beyond} Model with the containers on the swarm's other nodes
 * @typedef {Object} Beyond
 * @property {Map<string, Container>} elsewhere by id
 * @property {Map<string, string>} nodeNames host names by node id
 * @property {(id: string | undefined) => Container | undefined} known a container, here or elsewhere
 */

const NO_BOX = new Set(["host", "none"]);
export const HOST = "host";
export const NOWHERE = "nowhere";

/**
 * @param {Graph} graph
 * @returns {EngineModel}
 */
export function read(graph) {
  /** @type {Map<string, Network>} */
  const networks = new Map();
  /** @type {Map<string, Container>} */
  const containers = new Map();
  /** @type {Interface[]} */
  const interfaces = [];
  for (const node of graph.nodes) {
    // The document describes the attributes in words, kind by kind; the typedefs above repeat them.
    const item = /** @type {any} */ ({ ...node.attributes, id: node.id, name: node.name, kind: node.kind });
    if (node.kind === "network") networks.set(node.id, { ...item, members: [] });
    if (node.kind === "container") containers.set(node.id, { ...item, endpoints: [], sharesWith: null, hostMode: false, home: NOWHERE });
    if (node.kind === "interface") interfaces.push({ ...item, uplink: false });
  }
  for (const edge of graph.edges) join(edge, networks, containers, interfaces);
  const model = { networks: [...networks.values()], containers: [...containers.values()], interfaces, partial: graph.limited.length > 0, networkOf: networks, containerOf: containers };
  for (const container of model.containers) container.home = homeOf(container, model);
  return model;
}

/**
 * @param {Api["Edge"]} edge
 * @param {Map<string, Network>} networks
 * @param {Map<string, Container>} containers
 * @param {Interface[]} interfaces
 */
function join(edge, networks, containers, interfaces) {
  const container = containers.get(edge.source);
  const network = networks.get(edge.target);
  if (edge.kind === "endpoint" && container && network) {
    container.endpoints.push({ .../** @type {any} */ (edge.attributes), network });
    network.members.push(container);
  }
  if (edge.kind === "shares-network" && container) {
    container.sharesWith = edge.target;
    container.shareState = String(edge.attributes.share_state);
  }
  if (edge.kind === "host-link" && container) container.hostMode = true;
  if (edge.kind === "uplink" && edge.source === HOST) {
    const found = interfaces.find((one) => one.id === edge.target);
    if (found) found.uplink = true;
  }
}

/**
 * Whether a network is drawn as a box. The engine's own `host` and `none` are not: nothing is connected through them.
 * @param {Network} network
 */
export const isDrawn = (network) => !(network.builtin && NO_BOX.has(network.name));

/**
 * The container's most specific network: user-defined ones before the default bridge, small ones before large ones.
 * @param {Container} container
 * @param {EngineModel} model
 * @param {Set<string>} [seen] containers on the way here, since sharing may form a circle
 * @returns {string}
 */
function homeOf(container, model, seen = new Set()) {
  if (container.hostMode) return HOST;
  const owner = container.sharesWith === null ? undefined : model.containerOf.get(container.sharesWith);
  if (owner && !seen.has(owner.id)) return homeOf(owner, model, seen.add(container.id));
  const drawn = container.endpoints.map((endpoint) => endpoint.network).filter(isDrawn);
  drawn.sort((a, b) => Number(a.builtin) - Number(b.builtin) || a.members.length - b.members.length || compare(a, b));
  return drawn[0]?.id ?? NOWHERE;
}

/**
 * The part of the graph that concerns one thing, as text. When the text differs, the thing has changed.
 * @param {Graph} graph
 * @param {string} id
 */
export function signature(graph, id) {
  const own = graph.nodes.filter((node) => node.id === id);
  return JSON.stringify([own, graph.edges.filter((edge) => edge.source === id || edge.target === id)]);
}

/** Made once: localeCompare with options makes one for each comparison. */
const { compare: inOrder } = new Intl.Collator("en", { numeric: true });

/**
 * The order of names, in which `web2` comes before `web10`.
 * @type {(a: {name: string}, b: {name: string}) => number}
 */
export const compare = (a, b) => inOrder(a.name, b.name);

/**
 * `internal · 172.18.0.0/16 · bridge`; parts that are empty are left out.
 * @param {...(string | number | false | null | undefined)} parts
 */
export const words = (...parts) => parts.filter(Boolean).join(" · ");

/** @param {{gone?: boolean, driver: string, internal: boolean, inter_container?: boolean, subnets?: string[], bridge_name?: string | null}} network */
export function caption(network) {
  return words(network.gone && "gone", network.internal && "internal", network.inter_container === false && "icc off", network.subnets?.join(", "), !network.gone && network.driver, network.bridge_name);
}

/**
 * The address in its home, which a person looks for first.
 * @param {Container} container
 */
export function addressOf(container) {
  const home = container.endpoints.find((endpoint) => endpoint.network.id === container.home) ?? container.endpoints[0];
  return home?.ipv4_address ?? home?.ipv6_address ?? "";
}

/**
 * `:8081→8080`. A port is named once, also if several addresses of the host offer it.
 * @param {Container} container
 */
export function portsOf(container) {
  const short = (container.published_ports ?? []).map((port) => {
    const [, host, inner, protocol] = port.match(/:(\d+|\?)->(\d+)\/(\w+)$/) ?? [];
    return host && `:${host}→${inner}${protocol === "tcp" ? "" : `/${protocol}`}`;
  });
  return [...new Set(short.filter(Boolean))].join(" ");
}

/**
 * The networks that two containers have in common.
 * @param {Container} one
 * @param {Container} other
 */
export function shared(one, other) {
  const ids = new Set(one.endpoints.map((endpoint) => endpoint.network.id));
  return other.endpoints.map((endpoint) => endpoint.network).filter((network) => isDrawn(network) && ids.has(network.id));
}

/**
 * Two running containers that are on the default bridge only, those of the tutorial first: they reach each other by
 * address and not by name, which the tutorial shows.
 * @param {EngineModel} model
 */
export function storyPair(model) {
  const rank = (/** @type {Container} */ one) => Number(!one.name.startsWith("tomcat"));
  const fit = model.containers
    .filter((one) => one.running && !one.sharesWith && one.endpoints.length === 1)
    .filter(({ endpoints: [only] }) => only?.network.builtin && isDrawn(only.network))
    .sort((a, b) => rank(a) - rank(b) || compare(a, b));
  return fit.length > 1 ? fit.slice(0, 2) : null;
}
