/**
 * The form's fields as a question, and as words in the page's address.
 *
 * @import { Question } from "./ends.js"
 * @typedef {{from: HTMLInputElement, to: HTMLInputElement, kind: RadioNodeList, text: HTMLInputElement,
 *   protocol: HTMLSelectElement, port: HTMLInputElement, path: HTMLInputElement, trace: HTMLInputElement}} Fields
 */
import { HOST_NAME } from "./ends.js";
import { linked, relink } from "./link.js";
import { HOST } from "./model.js";
import { allows } from "./role.js";

export const WITH_PORT = new Set(["tcp", "udp", "http"]);
const PINGS = 3;

/**
 * @param {Fields} fields
 * @param {(name: string) => string} idOf
 * @returns {Question}
 */
export function questionOf({ from, to, text, kind, protocol, port, path, trace }, idOf) {
  const free = text.value.trim();
  const destination = kind.value === "container" ? { container: idOf(to.value) } : kind.value === "name" ? { name: free }
    : kind.value === "address" ? { address: free } : { host: true };
  return {
    source: from.value === HOST_NAME ? { host: true } : { container: idOf(from.value) },
    destination,
    protocol: protocol.value,
    ...(WITH_PORT.has(protocol.value) && { port: Number(port.value) }),
    ...(protocol.value === "http" && { path: path.value || "/" }),
    ...(protocol.value === "icmp" && { count: PINGS }),
    ...(trace.checked && allows("operator") && { trace: true }),
  };
}

/**
 * Fill in the form as the page's address says. Returns whether the address holds a question.
 * @param {Fields} fields
 */
export function follow(fields) {
  const [from, to] = [linked("from"), linked("to")];
  if (!from && !to) return false;
  // Without a kind it is a container, as for GET /v1/connectivity/probe, so labels of Prometheus fit into a link.
  const [, prefix, rest] = to.match(/^(container|name|address):(.*)$/) ?? [];
  const kind = prefix ?? (to === HOST ? HOST : "container");
  fields.from.value = from === HOST ? HOST_NAME : from;
  fields.kind.value = kind;
  if (kind === "container") fields.to.value = rest ?? to;
  else fields.text.value = rest ?? "";
  if (linked("protocol")) fields.protocol.value = linked("protocol");
  fields.port.value = linked("port");
  fields.path.value = linked("path") || "/";
  fields.trace.checked = linked("trace") === "true";
  return true;
}

/**
 * Write the form into the page's address.
 * @param {Fields} fields
 * @param {boolean} step whether it is a step of the browser's history
 */
export function write({ from, to, kind, text, protocol, port, path, trace }, step) {
  const where = { container: `:${to.value}`, name: `:${text.value}`, address: `:${text.value}`, host: "" }[kind.value] ?? "";
  relink({
    from: from.value === HOST_NAME ? HOST : from.value, to: kind.value + where, protocol: protocol.value,
    port: WITH_PORT.has(protocol.value) ? port.value : "",
    path: protocol.value === "http" && path.value !== "/" ? path.value : "",
    trace: trace.checked ? "true" : "",
  }, step);
}
