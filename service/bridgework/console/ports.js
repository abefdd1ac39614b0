/**
 * The rows of the exposure as cards: one for each container, in it each port, and below the port the places from which the
 * same rules decide. A port of a large engine has a row for each network, and most of them differ in the place only.
 */
import { h, icon } from "./dom.js";
import { withNames } from "./names.js";

/** @type {Record<string, string>} */
const REASONS = {
  "firewall-rule": "a firewall rule stops the packet or its answer",
  "translated-elsewhere": "a rule sends the packet to another container or program",
  "forwarding-off": "the host does not forward packets (ip_forward is off)",
  "loopback-address": "the address is a loopback address, which only the host itself reaches",
  "not-served": "nothing answers at the host: no rule translates the packet, and docker-proxy does not run",
  "no-route": "the kernel has no route for the packet or its answer",
  "routed-elsewhere": "the kernel of the host routes the packet or its answer elsewhere, or drops it",
  "rules-unseen": "the rules of the host could not be read",
  "rule-not-understood": "it is not known whether a rule that the packet meets holds for it",
  "proxy-unseen": "it is not known whether docker-proxy runs",
};
/** @type {Record<string, string>} */
const VERDICTS = { reachable: "Reachable from", unreachable: "Not reachable from", inconclusive: "Not known, from" };

/**
 * Rows by a key, in the order of the first row of each.
 * @param {Api["Exposure"][]} rows
 * @param {(row: Api["Exposure"]) => unknown} keyOf
 */
function by(rows, keyOf) {
  /** @type {Map<string, [Api["Exposure"], ...Api["Exposure"][]]>} */
  const groups = new Map();
  for (const row of rows) {
    const key = JSON.stringify(keyOf(row));
    const known = groups.get(key);
    if (known) known.push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()];
}

/** `[fd00::2]:8080` @param {string} address @param {number | null} port */
const joined = (address, port) => `${address.includes(":") ? `[${address}]` : address || "0.0.0.0"}:${port ?? "?"}`;

/** @param {Api["Exposure"][]} rows */
export function portsView(rows) {
  return by(rows, ({ container }) => container.id).map((ports) => h("section", { class: "exposed" },
    h("h3", {}, withNames(ports[0].container.name)),
    by(ports, ({ container_port: port, protocol, published, network }) => [port, protocol, published, network.name]).map(portView)));
}

/** @param {[Api["Exposure"], ...Api["Exposure"][]]} rows of one port */
function portView(rows) {
  const [{ container_port: port, protocol, published, network, listening }] = rows;
  const at = published ? ["published at ", h("code", {}, joined(published.host_ip, published.host_port))] : ["at its own address on ", withNames(network.name)];
  return h("article", { class: "port" },
    h("h4", {}, h("code", {}, `${port}/${protocol}`), " ", h("span", { class: "quiet" }, at)),
    listening === false && h("p", { class: "quiet" }, "No program in the container listens on it now."),
    by(rows, ({ verdict, reason, by_proxy: proxied, rules, stopped_by: stopped, host_firewall: meant, past_host_firewall: past, finding }) => (
      [verdict, reason, proxied, rules, stopped, meant, past, finding?.message])).map(wayView));
}

/** @param {[Api["Exposure"], ...Api["Exposure"][]]} rows that differ in their places only */
export function wayView(rows) {
  const [first] = rows;
  const { verdict, reason, host_firewall: meant, past_host_firewall: past } = first;
  return h("div", { class: `way ${verdict}` },
    h("p", { class: "becomes" }, icon(verdict), ` ${VERDICTS[verdict] ?? verdict}`),
    h("ul", { class: "places" }, rows.map(({ origin, address, port }) => h("li", {}, placeOf(origin), " ", h("span", { class: "quiet" }, "at "), h("code", {}, joined(address, port))))),
    reason && h("p", {}, `Why: ${REASONS[reason] ?? reason.replaceAll("-", " ")}.`),
    first.finding && h("p", {}, first.finding.message),
    first.stopped_by && ruleList("Stopped by", [first.stopped_by]),
    verdict === "reachable" && through(first),
    meant && h("div", { class: past ? "note warn" : "" },
      past && h("p", {}, h("strong", {}, "Past the host’s firewall. "), "Docker’s rules lead the packet past a rule that was meant to stop it."),
      ruleList(past ? "Meant to stop it" : "For a program of the host at this port, stopped by", [meant])));
}

/** What lets a packet through. @param {Api["Exposure"]} row */
function through({ by_proxy: proxied, rules }) {
  if (proxied) return h("p", {}, "By docker-proxy: a program of the host, so the host’s own firewall decides.");
  return rules.length ? ruleList("Let through by", rules) : h("p", {}, "No rule stops it, and none translates it.");
}

/** @param {Api["ExposureOrigin"]} origin */
function placeOf({ kind, name }) {
  if (kind === "host") return "the host itself";
  return [kind === "lan" ? "the LAN, by " : "network ", kind === "lan" ? h("code", {}, name) : withNames(name)];
}

/**
 * @param {string} title
 * @param {Api["FirewallRule"][]} rules
 */
function ruleList(title, rules) {
  return h("div", { class: "rules" }, h("p", {}, `${title}:`), h("ul", {}, rules.map(({ owner, table, chain, rule, effect }) => h("li", {},
    h("span", { class: "tag" }, owner ? `${owner}, ${table}` : table), h("code", {}, rule ?? `${chain}: policy ${effect}`)))));
}
