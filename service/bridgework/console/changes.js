/**
 * Changes of a plan: the calls that make them, and calls in words.
 *
 * @import { Model } from "./model.js"
 */

/** @param {string[]} parts */
const path = (...parts) => `/v1/${parts.map(encodeURIComponent).join("/")}`;

/** What a person can ask "What if?" about, by the words of the form. @type {Record<string, (network: string, container: string) => Api["Call"]>} */
export const CHANGES = {
  "delete-network": (network) => ({ method: "DELETE", path: path("networks", network), body: null }),
  "delete-container": (_, container) => ({ method: "DELETE", path: path("containers", container), body: null }),
  stop: (_, container) => ({ method: "POST", path: path("containers", container, "stop"), body: null }),
  start: (_, container) => ({ method: "POST", path: path("containers", container, "start"), body: null }),
  restart: (_, container) => ({ method: "POST", path: path("containers", container, "restart"), body: null }),
  connect: (network, container) => ({ method: "PUT", path: path("networks", network, "endpoints", container), body: {} }),
  disconnect: (network, container) => ({ method: "DELETE", path: path("networks", network, "endpoints", container), body: null }),
};

const ENDPOINT = /^\/v1\/networks\/([^/?]+)\/endpoints\/([^/?]+)(\?.*)?$/;
const NETWORK = /^\/v1\/networks\/([^/?]+)$/;
const CONTAINER = /^\/v1\/containers\/([^/?]+)(?:\/(start|stop|restart))?(\?.*)?$/;

/**
 * A call in words, with names instead of ids; other calls as they are.
 * @param {Api["Call"]} call
 * @param {Model | null} model
 */
export function inWords({ method, path: called, body }, model) {
  const name = (/** @type {string} */ part = "") => {
    const id = decodeURIComponent(part);
    return model?.containerOf.get(id)?.name ?? model?.networkOf.get(id)?.name ?? id;
  };
  const [end, network, container] = [ENDPOINT.exec(called), NETWORK.exec(called), CONTAINER.exec(called)];
  const forced = /[?&]force=true/.test(called) ? ", by force" : "";
  if (end && method === "PUT") return `Connect ${name(end[2])} to ${name(end[1])}`;
  if (end && method === "DELETE") return `Disconnect ${name(end[2])} from ${name(end[1])}${forced}`;
  if (network && method === "DELETE") return `Remove the network ${name(network[1])}`;
  if (container && method === "DELETE") return `Remove the container ${name(container[1])}${forced}`;
  if (container?.[2] && method === "POST") return `${container[2].replace(/^./, (first) => first.toUpperCase())} ${name(container[1])}`;
  if (method === "POST" && called === "/v1/networks") return `Create the network ${body?.name}`;
  return `${method} ${called}`;
}

/**
 * Where the engine would refuse a change, the calls of the problem's remedy resolve it. Returns the changes with these in
 * place of each refused one, or null where there is none to replace.
 * @param {Api["PlanStep"][]} steps
 */
export function resolved(steps) {
  if (!steps.some(({ problem }) => problem?.remedy?.plan)) return null;
  /** @type {Api["Call"][]} */
  const changes = [];
  for (const { call, problem } of steps) changes.push(...(problem?.remedy?.plan?.changes ?? [call]));
  return changes;
}
