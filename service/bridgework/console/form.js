/**
 * The fields of a check: which of them a question needs, and what is known of them.
 *
 * @import { Destination } from "./destination.js"
 * @import { Container } from "./model.js"
 * @import { Fields } from "./question.js"
 * @typedef {Map<string, Container>} Choices by the words in the form
 */
import { Problem } from "./api.js";
import { destinationOf, kindOf } from "./destination.js";
import { byId } from "./dom.js";
import { HOST_NAME } from "./ends.js";
import { HOST, shared } from "./model.js";
import { WITH_PORT } from "./question.js";
import { allows } from "./role.js";

/**
 * Show only the fields that the question needs, and fill in what is known.
 * @param {Fields} fields
 * @param {Choices} choices
 * @param {string} changed the name of a field
 */
export function shape({ kind, to, text, protocol, port, from }, choices, changed) {
  const free = kind.value === "name" || kind.value === "address";
  const [source, aimed] = [choices.get(from.value), choices.get(to.value)];
  byId("to-container").hidden = kind.value !== "container";
  byId("to-text").hidden = !free;
  byId("to-text-label").textContent = kind.value === "name" ? "Name that the source looks up" : "Address";
  if (free && ["kind", "to"].includes(changed) && aimed) text.value = kind.value === "name" ? aimed.name : addressFor(aimed, source);
  byId("port-field").hidden = !WITH_PORT.has(protocol.value);
  byId("trace-field").hidden = !allows("operator");
  byId("path-field").hidden = protocol.value !== "http";
  if (WITH_PORT.has(protocol.value) && !port.value) port.value = aimed?.published_ports?.[0]?.match(/->(\d+)/)?.[1] ?? "8080";
  const unknown = (/** @type {HTMLInputElement} */ field) => (choices.has(field.value) ? "" : `No container has the name “${field.value}”.`);
  from.setCustomValidity(from.value === HOST_NAME ? "" : unknown(from));
  to.setCustomValidity(kind.value === "container" ? unknown(to) : "");
  const common = source && aimed ? shared(source, aimed) : [];
  byId("hint").textContent = source && aimed && source !== aimed && common.length === 1 && common[0]?.builtin
    ? `${source.name} and ${aimed.name} have only the default bridge in common. Try it by address, then by name.` : "";
  byId("presets").hidden = !(source && aimed && source !== aimed);
}

/**
 * The container's address in a network that the source shares with it, or else its first one.
 * @param {Container} container
 * @param {Container | undefined} source
 */
function addressFor(container, source) {
  const common = source && shared(source, container)[0];
  const end = container.endpoints.find((one) => one.network === common) ?? container.endpoints[0];
  return end?.ipv4_address ?? end?.ipv6_address ?? "";
}

/**
 * Take a port and a path out of a name: `api:8080`, or a URL.
 * @param {HTMLInputElement} field
 * @param {Fields} fields
 */
export function takeApart(field, { protocol: by, port: at, path: under }) {
  const { name, port, path, protocol } = destinationOf(field.value);
  if (!protocol) return;
  field.value = name;
  by.value = protocol === "tcp" && by.value === "udp" ? "udp" : protocol;
  if (port) at.value = port;
  if (path) under.value = path;
}

/**
 * Fill in a question that was written in one line.
 * @param {Fields} fields
 * @param {{from: string, to: Destination}} pair
 * @param {Choices} choices
 */
export function fill(fields, { from, to: { name, port, path, protocol } }, choices) {
  fields.from.value = from === HOST ? HOST_NAME : from;
  fields.kind.value = kindOf(name, new Set(choices.keys()));
  (fields.kind.value === "container" ? fields.to : fields.text).value = name;
  fields.protocol.value = protocol || "icmp";
  [fields.port.value, fields.path.value] = [port, path || "/"];
}

/**
 * A service that allows no traces says so once; the box is then off. Throws the problem, which is shown.
 * @param {unknown} problem
 * @param {HTMLInputElement} trace
 * @returns {never}
 */
export function refused(problem, trace) {
  if (problem instanceof Problem && problem.code === "trace-not-allowed") Object.assign(trace, { checked: false, disabled: true });
  throw problem;
}
