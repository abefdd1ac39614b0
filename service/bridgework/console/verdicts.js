/**
 * What a matrix found, below the table: what differs from the prediction first, then the pairs
 * whose addresses differ, then the unreachable pairs by cause.
 *
 * @import { Pair, Unreachable } from "./causes.js"
 * @import { Model } from "./model.js"
 */
import { addressTable } from "./addresses.js";
import { CAUSES } from "./causes.js";
import { h, plural } from "./dom.js";
import { findingCard } from "./findings.js";
import { limitedView } from "./limited.js";
import { reasonOf } from "./reasons.js";

const SURPRISES_SHOWN = 20;
const ADDRESSES_SHOWN = 20;
const GROUPS_SHOWN = 12;

/**
 * @param {Api["MatrixLine"]} line the last one
 * @param {Unreachable} unreachable
 * @param {Model | null} model
 * @param {(pair: Pair) => void} onPair is called to check a pair
 */
export function verdictsView({ summary, surprises = [], addresses = [], partial = [], limited = [] }, unreachable, model, onPair) {
  const nameOf = (/** @type {string} */ id) => model?.known(id)?.name ?? id.slice(0, 12);
  const total = summary?.surprises ?? 0;
  const differing = summary?.addresses_differ ?? 0;
  return [
    partial.length > 0 && h("div", { class: "note warn" }, h("p", {}, h("strong", {}, "Some nodes did not answer. The pairs that they would have measured are marked “?”.")),
      h("ul", {}, partial.map((gap) => h("li", {}, `${model?.nodeNames.get(gap.node) ?? gap.node}: ${gap.reason}`)))),
    limitedView(limited),
    h("h3", {}, total ? `${plural(total, "surprise")}: the measurement differs from the prediction` : "No surprises: every pair is as the engine’s state predicts."),
    surprises.slice(0, SURPRISES_SHOWN).map((one) => h("details", {},
      h("summary", {}, `${one.source.name} → ${one.destination.name}: predicted ${one.predicted}, measured ${one.measured}`),
      one.findings.map((finding) => findingCard(finding)))),
    surprises.length > SURPRISES_SHOWN && h("p", { class: "quiet" }, `… and ${total - SURPRISES_SHOWN} more.`),
    addresses.length > 0 && h("h3", {}, `${plural(differing, "pair")} with addresses that differ: a pair is reachable if any of its addresses is`),
    addresses.slice(0, ADDRESSES_SHOWN).map((one) => h("details", { class: "by-address" },
      h("summary", {}, `${one.source.name} → ${one.destination.name}`), addressTable(one.addresses, reasonOf))),
    differing > ADDRESSES_SHOWN && h("p", { class: "quiet" }, `… and ${differing - ADDRESSES_SHOWN} more. The answer of the API lists ${addresses.length} of them.`),
    unreachable.causes.map(({ cause, count, groups }) => h("details", { class: "cause", "data-cause": cause, open: cause === "other" },
      h("summary", {}, h("span", { class: `swatch unreachable ${cause}`, "aria-hidden": "true" }, "✗"), ` ${plural(count, "pair")}: ${CAUSES[cause]}`),
      h("ul", {}, groups.slice(0, GROUPS_SHOWN).map(([between, { count: some, example }]) => h("li", {}, `${between}: ${plural(some, "pair")} `,
        h("button", { type: "button", onclick: () => onPair(example) }, `Why, for ${nameOf(example.source)} → ${nameOf(example.destination)}?`))),
      groups.length > GROUPS_SHOWN && h("li", { class: "quiet" }, `… and ${groups.length - GROUPS_SHOWN} more.`)))),
  ];
}
