/**
 * From the graph of `GET /v1/topology` to what the page shows: every container has one home (the place it is drawn
 * in) and any number of further networks (drawn as lines).
 */

const NO_BOX = new Set(["host", "none"]);
export const HOST = "host";
export const NOWHERE = "nowhere";

export function read(document) {
  const networks = new Map();
  const containers = new Map();
  const interfaces = [];
  for (const node of document.nodes) {
    const item = { ...node.attributes, id: node.id, name: node.name, kind: node.kind };
    if (node.kind === "network") networks.set(node.id, { ...item, members: [] });
    if (node.kind === "container") containers.set(node.id, { ...item, endpoints: [], sharesWith: null, hostMode: false });
    if (node.kind === "interface") interfaces.push({ ...item, uplink: false });
  }
  for (const edge of document.edges) join(edge, networks, containers, interfaces);
  const model = { networks: [...networks.values()], containers: [...containers.values()], interfaces, networkOf: networks, containerOf: containers };
  for (const container of model.containers) container.home = homeOf(container, model);
  return model;
}

function join(edge, networks, containers, interfaces) {
  const container = containers.get(edge.source);
  const network = networks.get(edge.target);
  if (edge.kind === "endpoint" && container && network) {
    container.endpoints.push({ ...edge.attributes, network });
    network.members.push(container);
  }
  if (edge.kind === "shares-network" && container) {
    container.sharesWith = edge.target;
    container.shareState = edge.attributes.share_state;
  }
  if (edge.kind === "host-link" && container) container.hostMode = true;
  if (edge.kind === "uplink" && edge.source === HOST) {
    const found = interfaces.find((one) => one.id === edge.target);
    if (found) found.uplink = true;
  }
}

/** Whether a network is drawn as a box: the engine's `host` and `none` are places, not networks. */
export const isDrawn = (network) => !(network.builtin && NO_BOX.has(network.name));

/** The container's most particular network: people's own before the default bridge, the smaller before the larger. */
function homeOf(container, model, seen = new Set()) {
  if (container.hostMode) return HOST;
  const owner = model.containerOf.get(container.sharesWith);
  if (owner && !seen.has(owner.id)) return homeOf(owner, model, seen.add(container.id));
  const drawn = container.endpoints.map((endpoint) => endpoint.network).filter(isDrawn);
  drawn.sort((a, b) => a.builtin - b.builtin || a.members.length - b.members.length || compare(a, b));
  return drawn[0]?.id ?? NOWHERE;
}

/** What the graph says of one thing, as text: when it differs, the thing has changed. */
export function signature(document, id) {
  const own = document.nodes.filter((node) => node.id === id);
  return JSON.stringify([own, document.edges.filter((edge) => edge.source === id || edge.target === id)]);
}

export const compare = (a, b) => a.name.localeCompare(b.name, "en", { numeric: true });

/** `backend · bridge · 172.18.0.0/16`, without what is not there. */
export const words = (...parts) => parts.filter(Boolean).join(" · ");

export function caption(network) {
  return words(network.gone ? "gone" : network.driver, network.internal && "internal", network.subnets?.join(", "), network.bridge_name);
}

/** The address a person would look for first. */
export function addressOf(container) {
  const home = container.endpoints.find((endpoint) => endpoint.network.id === container.home) ?? container.endpoints[0];
  return home?.ipv4_address ?? home?.ipv6_address ?? "";
}

/** `:8081→8080`, one for each port however many addresses of the host offer it. */
export function portsOf(container) {
  const short = (container.published_ports ?? []).map((port) => {
    const [, host, inner, protocol] = port.match(/:(\d+|\?)->(\d+)\/(\w+)$/) ?? [];
    return host && `:${host}→${inner}${protocol === "tcp" ? "" : `/${protocol}`}`;
  });
  return [...new Set(short.filter(Boolean))].join(" ");
}

/** The networks two containers have in common. */
export function shared(one, other) {
  const ids = new Set(one.endpoints.map((endpoint) => endpoint.network.id));
  return other.endpoints.map((endpoint) => endpoint.network).filter((network) => isDrawn(network) && ids.has(network.id));
}

/** Two running containers that only the default bridge joins, the tutorial's own first: where its story can be told. */
export function storyPair(model) {
  const fit = model.containers
    .filter((c) => c.running && !c.sharesWith && c.endpoints.length === 1 && c.endpoints[0].network.builtin && isDrawn(c.endpoints[0].network))
    .sort((a, b) => b.name.startsWith("tomcat") - a.name.startsWith("tomcat") || compare(a, b));
  return fit.length > 1 ? fit.slice(0, 2) : null;
}
