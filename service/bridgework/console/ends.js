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
import { addressOf, compare, HOST, words } from "./model.js";

/** What the form says for the host as a source. No container has a name with a space. */
export const HOST_NAME = "the host";

/**
 * What can be chosen, by the words in the form: running containers first, then those of the swarm's other nodes.
 * @param {Model} model
 * @returns {Map<string, Container>}
 */
export function choices(model) {
  const here = [...model.containers].sort((a, b) => Number(b.running) - Number(a.running) || compare(a, b));
  const there = [...model.elsewhere.values()].filter((one) => one.running);
  return new Map([...here, ...there].map((one) => [placed(one), one]));
}

/**
 * The choices for a field. The words behind a name are searched too: browsers compare what is typed with both.
 * @param {Map<string, Container>} found
 */
export const options = (found) => [...found].map(([value, one]) => h("option", { value }, words(one.project, one.running ? addressOf(one) : one.state)));

/** @param {Container} container */
const placed = (container) => (container.node ? `${container.name} on ${container.node}` : container.name);

/**
 * Names for the sentence, and ids for the arrow.
 * @param {Question} body
 * @param {Model} model
 * @returns {Ends}
 */
export function endsOf({ source: { container = HOST }, destination, protocol, port }, model) {
  const over = port ? ` on ${protocol} port ${port}` : "";
  const named = (/** @type {string} */ id, /** @type {string} */ otherwise) => {
    const one = model.known(id);
    return one ? placed(one) : otherwise;
  };
  const common = { from: named(container, HOST_NAME), source: container };
  const { container: id, name, address } = destination;
  if (id !== undefined) return { ...common, kind: "container", value: id, to: named(id, "it") + over, target: model.known(id)?.id };
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
