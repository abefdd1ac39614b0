/** The two ends of a check: what there is to choose from, how a sentence names them, and where the arrow goes. */
import { h } from "./dom.js";
import { compare, HOST } from "./model.js";

/** Running containers first. */
export function choices(model) {
  const sorted = [...model.containers].sort(compare);
  return [["Running", true], ["Not running", false]]
    .map(([label, running]) => [label, sorted.filter((one) => Boolean(one.running) === running)])
    .filter(([, list]) => list.length)
    .map(([label, list]) => h("optgroup", { label }, list.map((one) => h("option", { value: one.id }, one.name))));
}

/** Names for the sentence, and ids for the arrow. */
export function endsOf(body, model) {
  const { containerOf, containers } = model;
  const [kind, value] = Object.entries(body.destination)[0];
  const holds = (one) => one.endpoints.some((end) => [end.ipv4_address, end.ipv6_address].includes(value));
  const target = { container: () => containerOf.get(value), name: () => containers.find((one) => value.split(".")[0] === one.name), address: () => containers.find(holds), host: () => null }[kind]();
  const words = { container: () => target?.name ?? "it", name: () => `${value} by name`, address: () => value, host: () => (body.source.host ? "itself" : "the host") }[kind]();
  const source = body.source.host ? HOST : body.source.container;
  const over = body.port ? ` on ${body.protocol} port ${body.port}` : "";
  return { kind, value, from: containerOf.get(source)?.name ?? "the host", to: words + over, source, target: kind === "host" ? HOST : target?.id };
}

/** The container behind a published port, where the path leads through one. */
export function behind({ predicted }, model) {
  const port = predicted.path.find((hop) => hop.kind === "published-port");
  return port && model.containers.find((one) => one.name === port.of)?.id;
}
