/**
 * What the calls of a remedy would change, before they are sent: the pairs and the ports of the host, the findings that
 * appear and disappear, and whether the changes can be undone. The picture shows the pairs as arrows.
 *
 * @import { Child } from "./dom.js"
 * @typedef {{source: string, target: string, becomes: "added" | "removed", label: string}} Change an arrow between two ids
 */
import { changedAddresses } from "./addresses.js";
import { call } from "./api.js";
import { Asking } from "./asking.js";
import { Emitter, h, icon, plural, replace } from "./dom.js";
import { limitedView } from "./limited.js";
import { withNames } from "./names.js";

const SHOWN = 12;
/** @type {Emitter<{change: Change[]}>} `change`: what the picture shows of a plan; empty when there is none */
export const planning = new Emitter();

/**
 * A button that asks what calls would change, and the place of the answer.
 * @param {Api["Call"][]} calls
 */
export function planButton(calls) {
  const place = h("div", { class: "plan" });
  const asking = new Asking();
  return [h("button", { type: "button", onclick: () => ask(place, asking, calls) }, "What will this change?"), place];
}

/**
 * A form that asks what another version of Docker, or another firewall backend, would change on this host.
 * @param {HTMLFormElement} form with `version` and `backend`
 * @param {HTMLElement} place of the answer
 */
export function upgradeForm(form, place) {
  const asking = new Asking();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = new FormData(form);
    /** @type {Api["UpgradeEngine"]} */
    const engine = {};
    const version = String(given.get("version") ?? "").trim();
    const backend = given.get("backend");
    if (version) engine.version = version;
    if (backend === "iptables" || backend === "nftables") engine.firewall_backend = backend;
    void ask(place, asking, [{ upgrade_engine: engine }]);
  });
}

/**
 * Ask what the changes would do, and show the answer in `place`.
 * @param {HTMLElement} place
 * @param {Asking} asking
 * @param {(Api["Call"] | Api["PlannedCall"])[]} changes
 */
async function ask(place, asking, changes) {
  /** @type {Api["Plan"] | null} */
  const plan = await asking.ask(place, "Predicting what changes …", (signal) => call("POST", "/v1/plans", { changes }, { signal }));
  if (!plan) return;
  replace(place, h("section", { class: "note", "aria-label": "What will change", tabindex: "-1" }, planView(plan)));
  planning.emit("change", changesOf(plan.difference));
  if (place.firstElementChild instanceof HTMLElement) place.firstElementChild.focus();
}

/** @param {string} after */
const becomes = (after) => h("span", { class: `becomes ${after}` }, icon(after), ` ${after}`);

/**
 * @param {Api["Plan"]} plan
 * @returns {Child[]}
 */
export function planView({ steps, possible, undoable, difference, appearing_findings: worse, disappearing_findings: better, upgrade, notes, limited }) {
  const refused = steps.find((step) => step.problem);
  const { pairs, pairs_total: total, outside, exposure, exposure_total: rows } = difference;
  const hidden = Math.max(0, pairs.length - SHOWN);
  return [
    !possible && h("p", {}, h("strong", {}, "It would be refused: "), refused?.problem?.detail),
    upgrade && h("p", {}, `Docker ${upgrade.version} with ${upgrade.firewall_backend}, answered as Docker ${upgrade.answered_as}.`),
    h("p", {}, h("strong", {}, total ? `${plural(total, "pair")} of containers, by protocol and port, would change:` : "No container would reach more or less than before.")),
    pairs.length > 0 && h("ul", {}, pairs.slice(0, SHOWN).map(({ source, destination, protocol, port, after, reason, addresses }) => h("li", {},
      withNames(source.name), " → ", withNames(destination.name), ` ${protocol}${port === null ? "" : ` ${port}`}: `, becomes(after), reason && ` (${reason})`,
      addresses.length > 1 && h("details", {}, h("summary", {}, `${addresses.length} addresses`), changedAddresses(addresses))))),
    total > pairs.length - hidden && h("p", { class: "quiet" }, `… and ${total - pairs.length + hidden} more.`),
    outside.length > 0 && h("ul", {}, outside.map((one) => h("li", {}, `Port ${one.host_port ?? "that Docker chooses"} of the host, for other hosts: `, becomes(one.becomes)))),
    exposure.length > 0 && h("p", {}, h("strong", {}, `${plural(rows, "port")} would open or close for a place:`)),
    exposure.length > 0 && h("ul", {}, exposure.slice(0, SHOWN).map(({ container, container_port: port, protocol, origin, address, after }) => h("li", {},
      withNames(container.name), `:${port}/${protocol} from ${origin.kind === "host" ? "the host" : `${origin.kind} ${origin.name}`} at ${address}: `, becomes(after ?? "unreachable")))),
    rows > Math.min(SHOWN, exposure.length) && h("p", { class: "quiet" }, `… and ${rows - Math.min(SHOWN, exposure.length)} more.`),
    findings("Notes", notes),
    findings("Solves", better), findings("Causes", worse), limitedView(limited),
    steps.length > 0 && h("p", { class: "quiet" }, undoable ? "Every change can be undone." : `Not every change can be undone. ${steps.map((step) => step.not_undoable_because ?? "").filter(Boolean).join(" ")}`),
  ];
}

/**
 * @param {string} title
 * @param {{message: string}[]} list
 */
const findings = (title, list) => list.length > 0 && h("div", {}, h("p", {}, h("strong", {}, `${title}:`)), h("ul", {}, list.map(({ message }) => h("li", {}, withNames(message)))));

/**
 * One arrow for each pair of things, whatever the protocols.
 * @param {Api["Difference"]} difference
 */
export function changesOf({ pairs }) {
  /** @type {Map<string, Change>} */
  const arrows = new Map();
  for (const { source, destination, protocol, port, after } of pairs) {
    if (after === "inconclusive") continue;
    const becoming = after === "reachable" ? "added" : "removed";
    const key = `${source.id} ${destination.id} ${becoming}`;
    const words = port === null ? protocol : `${protocol} ${port}`;
    const known = arrows.get(key);
    arrows.set(key, { source: source.id ?? "", target: destination.id ?? "", becomes: becoming, label: known ? `${known.label}, ${words}` : words });
  }
  return [...arrows.values()];
}
