/**
 * What is drawn together. A group is a project of Compose, or the networks without a project that have containers in
 * common. Each network of a group is a line, and each container hangs on its lines. A container has its own place in one
 * group. On lines of other groups it is drawn again.
 *
 * @import { Container, EngineModel, Interface, Network } from "./model.js"
 * @typedef {{kind: "project", id: string, name: string}} Folded all containers of a folded project, drawn as one
 * @typedef {{id: string, item: Container | Interface | Folded, on: string[], away: string[], again: boolean, sharers: Container[]}} Cell
 *   `on`: ids of its group's lines; `away`: names of its networks in other groups; `again`: its own place is elsewhere;
 *   `sharers`: the containers that share its network namespace
 * @typedef {{id: string, name: string}} Line a network, or the host's own line
 * @typedef {{id: string, name: string, project: string, folded: boolean, lines: (Line & {network?: Network})[], cells: Cell[], inside: Container[]}} Group
 *   `inside`: the containers whose own place it is
 * @typedef {{lines: Map<string, string>, homes: Map<string, string>}} Kept the group in which each network that had containers,
 *   and each container, was drawn before: by id
 */
import { compare, HOST, isDrawn, NOWHERE } from "./model.js";

/** A container on more networks than this, such as a proxy, does not make its networks one group. */
const JOINS_UP_TO = 4;

/** @type {Kept} */
const NOTHING = { lines: new Map(), homes: new Map() };

/**
 * Where everything is drawn, for the groups after a change. A line without containers may go to another group.
 * @param {Group[]} groups
 * @returns {Kept}
 */
export function keptFrom(groups) {
  return {
    lines: new Map(groups.flatMap(({ id, lines, cells }) => lines.filter((line) => cells.some(({ on }) => on.includes(line.id))).map((line) => [line.id, id]))),
    homes: new Map(groups.flatMap(({ id, inside }) => inside.map((container) => [container.id, id]))),
  };
}

/**
 * The groups by name, those of projects first. The host is the last one, and a group without a line for what has no
 * network comes before it.
 * @param {EngineModel} model
 * @param {(project: string) => boolean} isFolded
 * @param {Kept} [kept]
 * @returns {Group[]}
 */
export function groupsOf(model, isFolded, kept = NOTHING) {
  const keys = keysOf(model, kept);
  /** @type {Map<string, Group>} */
  const groups = new Map();
  for (const network of model.networks.filter(isDrawn).sort(compare)) {
    const key = keys(network);
    const project = network.project ?? "";
    const group = groups.get(key) ?? { id: key, name: project || network.name, project, folded: project !== "" && isFolded(project), lines: [], cells: [], inside: [] };
    group.lines.push({ id: network.id, name: network.name, network });
    groups.set(key, group);
  }
  const sorted = [...groups.values()].sort((a, b) => Number(a.project === "") - Number(b.project === "") || compare(a, b));
  /** @type {Group} */
  const nowhere = { id: NOWHERE, name: "no network", project: "", folded: false, lines: [], cells: [], inside: [] };
  /** @type {Group} */
  const host = { id: HOST, name: "host", project: "", folded: false, lines: [{ id: HOST, name: "host" }], cells: model.interfaces.map(linkCell), inside: [] };
  fill(model, keys, kept, new Map([...groups, [NOWHERE, nowhere], [HOST, host]]));
  return [...sorted, ...(nowhere.cells.length ? [nowhere] : []), host];
}

/** @param {Interface} item @returns {Cell} */
const linkCell = (item) => ({ id: item.id, item, on: [HOST], away: [], again: false, sharers: [] });

/**
 * The group of each network: its project, or the one where it was drawn before, or that of the networks that it is
 * connected with, which has the id of the first by name.
 * @param {EngineModel} model
 * @param {Kept} kept
 */
function keysOf(model, { lines }) {
  /** @type {Map<string, Network>} */
  const firsts = new Map();
  /** @type {(network: Network) => Network} */
  const firstOf = (network) => {
    const first = firsts.get(network.id) ?? network;
    return first === network ? network : firstOf(first);
  };
  for (const container of model.containers) {
    const [one, ...others] = container.endpoints.map(({ network }) => network).filter((network) => isDrawn(network) && !network.project);
    if (!one || others.length >= JOINS_UP_TO) continue;
    for (const other of others) {
      const [first, second] = [firstOf(one), firstOf(other)].sort((a, b) => Number(lines.has(b.id)) - Number(lines.has(a.id)) || compare(a, b) || (a.id < b.id ? -1 : 1));
      if (first && second && first !== second && !lines.has(second.id)) firsts.set(second.id, first);
    }
  }
  return (/** @type {Network} */ network) => {
    const first = firstOf(network);
    return network.project ? `project:${network.project}` : lines.get(first.id) ?? first.id;
  };
}

/**
 * Put every container into the groups of its networks.
 * @param {EngineModel} model
 * @param {(network: Network) => string} keys
 * @param {Kept} kept
 * @param {Map<string, Group>} groups
 */
function fill(model, keys, kept, groups) {
  /** @type {Map<string, Cell>} */
  const own = new Map();
  const sorted = [...model.containers].sort(compare);
  for (const container of sorted.filter((one) => ownerOf(one, model) === one)) {
    const networks = container.endpoints.map(({ network }) => network).filter(isDrawn);
    const owned = networks.find((network) => network.project && network.project === container.project);
    const before = kept.homes.get(container.id);
    const stays = networks.some((network) => keys(network) === before);
    const home = owned ? keys(owned) : stays && before ? before : homeKey(container, model, keys);
    const group = groups.get(home);
    if (!group) continue;
    const on = home === HOST ? [HOST] : networks.filter((network) => keys(network) === home).map(({ id }) => id);
    const away = networks.filter((network) => keys(network) !== home).map(({ name }) => name);
    /** @type {Cell} */
    const cell = { id: container.id, item: container, on, away, again: false, sharers: [] };
    own.set(container.id, cell);
    group.inside.push(container);
    if (!group.folded) group.cells.push(cell);
    for (const key of new Set(networks.map(keys))) {
      const other = groups.get(key);
      if (other && other !== group && !other.folded) drawAgain(container, group, other, networks.filter((network) => keys(network) === key));
    }
  }
  for (const container of sorted) {
    const owner = ownerOf(container, model);
    const cell = own.get(owner.id);
    if (owner === container || !cell) continue;
    cell.sharers.push(container);
    for (const group of groups.values()) if (group.inside.includes(owner)) group.inside.push(container);
  }
}

/**
 * A folded project is drawn once for all its containers.
 * @param {Container} container
 * @param {Group} home
 * @param {Group} other
 * @param {Network[]} networks of the other group
 */
function drawAgain(container, home, other, networks) {
  /** @type {Container | Folded} */
  const item = home.folded ? { kind: "project", id: home.id, name: home.name } : container;
  const id = `${item.id}@${other.id}`;
  const known = other.cells.find((cell) => cell.id === id);
  const on = new Set([...(known?.on ?? []), ...networks.map((network) => network.id)]);
  if (known) known.on = [...on];
  else other.cells.push({ id, item, on: [...on], away: [], again: true, sharers: [] });
}

/**
 * The container whose network namespace a container is in: itself, or the one that it shares with.
 * @param {Container} container
 * @param {EngineModel} model
 */
export function ownerOf(container, model) {
  const seen = new Set([container]);
  let owner = container;
  for (;;) {
    const next = owner.sharesWith === null ? undefined : model.containerOf.get(owner.sharesWith);
    if (!next || seen.has(next)) return owner;
    seen.add(next);
    owner = next;
  }
}

/**
 * The group of a container that is on no network of its own project: of a network without a project, if there is one.
 * @param {Container} container
 * @param {EngineModel} model
 * @param {(network: Network) => string} keys
 */
function homeKey({ home, hostMode, endpoints }, model, keys) {
  const networks = endpoints.map(({ network }) => network).filter((network) => isDrawn(network) && !network.project);
  const network = hostMode ? undefined : networks.find(({ id }) => id === home) ?? networks[0] ?? model.networkOf.get(home);
  return network ? keys(network) : home;
}
