/** The two ends of a check: what there is to choose from, how a sentence names them, and where the arrow goes. */
import { h } from "./dom.js";
import { compare, HOST } from "./model.js";

/** Running containers first, then what runs on each of the swarm's other nodes. */
export function choices(model) {
  const sorted = [...model.containers].sort(compare);
  const there = [...model.elsewhere.values()].filter((one) => one.running);
  return [
    ...[["Running", true], ["Not running", false]].map(([label, running]) => [label, sorted.filter((one) => Boolean(one.running) === running)]),
    ...[...new Set(there.map((one) => one.node))].sort().map((node) => [`On ${node}`, there.filter((one) => one.node === node)])]
    .filter(([, list]) => list.length)
    .map(([label, list]) => h("optgroup", { label }, list.map((one) => h("option", { value: one.id }, one.name))));
}

const placed = (container) => container && (container.node ? `${container.name} on ${container.node}` : container.name);

/** Names for the sentence, and ids for the arrow. */
export function endsOf(body, model) {
  const { known } = model;
  const containers = [...model.containers, ...model.elsewhere.values()];
  const [kind, value] = Object.entries(body.destination)[0];
  const holds = (one) => one.endpoints.some((end) => [end.ipv4_address, end.ipv6_address].includes(value));
  const target = { container: () => known(value), name: () => containers.find((one) => value.split(".")[0] === one.name), address: () => containers.find(holds), host: () => null }[kind]();
  const words = { container: () => placed(target) ?? "it", name: () => `${value} by name`, address: () => value, host: () => (body.source.host ? "itself" : "the host") }[kind]();
  const source = body.source.host ? HOST : body.source.container;
  const over = body.port ? ` on ${body.protocol} port ${body.port}` : "";
  return { kind, value, from: placed(known(source)) ?? "the host", to: words + over, source, target: kind === "host" ? HOST : target?.id };
}

/** The container behind a published port, where the path leads through one. */
export function behind({ predicted }, model) {
  const port = predicted.path.find((hop) => hop.kind === "published-port");
  return port && model.containers.find((one) => one.name === port.of)?.id;
}
