/**
 * The two ends of a check: what a person can choose, how a sentence names them, and where the arrow goes.
 *
 * @import { Container, Model } from "./model.js"
 * @typedef {"container" | "name" | "address" | "host"} Kind of a destination
 * @typedef {{source: Api["CheckSource"], destination: Api["CheckDestination"], protocol: string, port?: number, path?: string, count?: number, trace?: boolean}} Question
 *
 * @typedef {Object} Ends
 * @property {Kind} kind
 * @property {string} value the destination as asked for: an id, a name or an address
 * @property {string} from as the sentence names it
 * @property {string} to as the sentence names it, with the port
 * @property {string} source id of the container, or `host`
 * @property {string | undefined} target likewise, if it is known
 */
import { h } from "./dom.js";
import { compare, HOST } from "./model.js";

/**
 * Running containers first, then those that run on each of the swarm's other nodes.
 * @param {Model} model
 */
export function choices(model) {
  const sorted = [...model.containers].sort(compare);
  const there = [...model.elsewhere.values()].filter((one) => one.running);
  const groups = [
    { label: "Running", list: sorted.filter((one) => one.running) },
    { label: "Not running", list: sorted.filter((one) => !one.running) },
    ...[...new Set(there.map((one) => one.node))].sort().map((node) => ({ label: `On ${node}`, list: there.filter((one) => one.node === node) })),
  ];
  return groups.filter(({ list }) => list.length)
    .map(({ label, list }) => h("optgroup", { label }, list.map((one) => h("option", { value: one.id }, one.name))));
}

/** @param {Container | undefined} container */
const placed = (container) => container && (container.node ? `${container.name} on ${container.node}` : container.name);

/**
 * Names for the sentence, and ids for the arrow.
 * @param {Question} body
 * @param {Model} model
 * @returns {Ends}
 */
export function endsOf({ source: { container = HOST }, destination, protocol, port }, model) {
  const over = port ? ` on ${protocol} port ${port}` : "";
  const common = { from: placed(model.known(container)) ?? "the host", source: container };
  const { container: id, name, address } = destination;
  if (id !== undefined) return { ...common, kind: "container", value: id, to: (placed(model.known(id)) ?? "it") + over, target: model.known(id)?.id };
  const all = [...model.containers, ...model.elsewhere.values()];
  if (name !== undefined) return { ...common, kind: "name", value: name, to: `${name} by name${over}`, target: all.find((one) => one.name === name.split(".")[0])?.id };
  const holds = (/** @type {Container} */ one) => one.endpoints.some((end) => address === end.ipv4_address || address === end.ipv6_address);
  if (address !== undefined) return { ...common, kind: "address", value: address, to: address + over, target: all.find(holds)?.id };
  return { ...common, kind: "host", value: HOST, to: (container === HOST ? "itself" : "the host") + over, target: HOST };
}

/**
 * The container behind a published port, if the path leads through one.
 * @param {Api["CheckResult"]} result
 * @param {Model} model
 */
export function behind({ predicted }, model) {
  const port = predicted.path.find((hop) => hop.kind === "published-port");
  return port && model.containers.find((one) => one.name === port.of)?.id;
}
