/**
 * A destination as people write it: `db`, `db:5432`, `[fd00::2]:80`, or a URL. The command line takes the same.
 *
 * @typedef {{name: string, port: string, path: string, protocol: string}} Destination empty where the text does not say it
 */
const SCHEME = /^(https?|tcp|udp):\/\//i;
const PORTS = { http: "80", https: "443" };
const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|[\da-f:]*:[\da-f:.]*)$/i;
/** `api → db:5432`, `api -> db:5432` or `api db:5432`. */
const PAIR = /^(\S+?)(?:\s*(?:→|->)\s*|\s+)(\S+)$/;

/**
 * @param {string} text
 * @returns {Destination}
 */
export function destinationOf(text) {
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase() ?? "";
  const [, rest = "", path = ""] = /^([^/]*)(\/.*)?$/.exec(text.trim().replace(SCHEME, "")) ?? [];
  const bracketed = /^\[(.+)\](?::(\d+))?$/.exec(rest);
  const plain = /^([^:]+):(\d+)$/.exec(rest);
  const [name, port] = bracketed ? [bracketed[1] ?? "", bracketed[2] ?? ""] : plain ? [plain[1] ?? "", plain[2] ?? ""] : [rest, ""];
  const web = scheme === "http" || scheme === "https";
  return { name, port: port || (web ? PORTS[scheme] : ""), path: web ? path : "", protocol: web ? "http" : scheme || (port && "tcp") };
}

/**
 * Whether the text is a container, an address, the host or another name.
 * @param {string} name
 * @param {Set<string>} containers by the words in the form
 */
export function kindOf(name, containers) {
  if (containers.has(name)) return "container";
  if (name === "host") return "host";
  return ADDRESS.test(name) ? "address" : "name";
}

/**
 * The two ends of a question in one line; null where the line has one word.
 * @param {string} line
 */
export function pairOf(line) {
  const [, from, to] = PAIR.exec(line.trim()) ?? [];
  return from && to ? { from, to: destinationOf(to) } : null;
}
