/**
 * Who reaches an end, or what an end reaches, as rows in groups: by Compose project, then by the networks of the other
 * end. Ends that are alike share a row.
 *
 * @import { Model } from "./model.js"
 *
 * @typedef {Object} Row
 * @property {string} place a project, or where the end is otherwise
 * @property {string} network the networks of the ends
 * @property {string[]} names
 * @property {string} protocol
 * @property {number | null} port
 * @property {string} verdict
 * @property {string} by the addresses that lead there, or the step that stops the packet and its cause
 * @property {Api["QueryGroup"][]} groups of the answer; none for a row of the exposure
 * @property {Api["Exposure"] | null} exposure the rules that decide, for a row of the exposure
 */
import { HOST } from "./model.js";

const ORDER = ["reachable", "inconclusive", "unreachable"];
const THE_HOST = "The host";
const OUTSIDE = "Outside: the LAN";
const ALONE = "No project";
/** Projects by name, then what belongs to none, the host and the LAN. */
const LAST = [ALONE, THE_HOST, OUTSIDE];

/**
 * @param {Api["QueryGroup"][]} groups
 * @param {Api["Exposure"][]} exposure the rows for neighbours on the LAN
 * @param {Model} model
 * @returns {Row[]}
 */
export function rowsOf(groups, exposure, model) {
  /** @type {Map<string, Row>} */
  const rows = new Map();
  for (const group of groups) split(group, model, rows);
  return [...rows.values(), ...exposure.map(outside)].sort((a, b) => LAST.indexOf(a.place) - LAST.indexOf(b.place) || a.place.localeCompare(b.place)
    || a.network.localeCompare(b.network) || ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict) || (a.port ?? 0) - (b.port ?? 0));
}

/**
 * Add the ends of a group to the rows: one row for each project and set of networks with the same answer.
 * @param {Api["QueryGroup"]} group
 * @param {Model} model
 * @param {Map<string, Row>} rows
 */
function split(group, model, rows) {
  const { protocol, port, verdict } = group;
  const by = whyOf(group);
  for (const { kind, id, name } of group.ends) {
    const container = model.known(id ?? "");
    const owner = container?.sharesWith ? model.known(container.sharesWith) : container;
    const place = kind === HOST ? THE_HOST : container?.project || ALONE;
    const networks = owner?.hostMode ? "the host’s network" : owner?.endpoints.map((end) => end.network.name).sort().join(", ");
    const network = kind === HOST ? "" : networks || "no network";
    const key = JSON.stringify([place, network, protocol, port, verdict, by]);
    const row = rows.get(key);
    if (!row) rows.set(key, { place, network, names: [name], protocol, port, verdict, by, groups: [group], exposure: null });
    else {
      row.names.push(name);
      if (!row.groups.includes(group)) row.groups.push(group);
    }
  }
}

/** @param {Api["Exposure"]} row */
function outside(row) {
  const { origin, container_port: port, protocol, verdict, address, port: at, reason } = row;
  const by = [`${address.includes(":") ? `[${address}]` : address}:${at ?? "?"}`, reason?.replaceAll("-", " ")].filter(Boolean).join(": ");
  return { place: OUTSIDE, network: "", names: [`neighbours at ${origin.name}`], protocol, port, verdict, by, groups: [], exposure: row };
}

/**
 * The addresses that lead there, or the step that stops the packet with its cause.
 * @param {Api["QueryGroup"]} group
 */
function whyOf({ verdict, addresses, path, findings, reason }) {
  if (verdict === "reachable") return addresses.filter((one) => one.predicted === "reachable").map(addressed).join(", ");
  const step = path.find((hop) => hop.status !== "passed");
  const cause = reason ?? findings.find((one) => one.severity === "blocking")?.code;
  return [cause?.replaceAll("-", " "), step && `at ${step.kind.replaceAll("-", " ")} ${step.name}`].filter(Boolean).join(", ");
}

/** @param {Api["TriedAddress"]} one */
export const addressed = ({ address, network }) => (network ? `${address} on ${network.name}` : address);
