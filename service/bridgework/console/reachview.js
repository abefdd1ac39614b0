/**
 * The answer to "who can reach it?": one card for each project, in it the networks, and in each network a row for the
 * ends that are alike. A row opens to its path, its addresses and the finding that says what stops the packet.
 *
 * @import { Row } from "./reachrows.js"
 * @import { CardOptions } from "./findings.js"
 */
import { h, icon } from "./dom.js";
import { findingCard } from "./findings.js";
import { withNames } from "./names.js";
import { wayView } from "./ports.js";
import { predictedRail } from "./rail.js";
import { addressed } from "./reachrows.js";

/**
 * Lists by the text of a key, in their order.
 * @template Item
 * @param {Item[]} items
 * @param {(item: Item) => string} keyOf
 * @returns {[string, Item[]][]}
 */
function by(items, keyOf) {
  /** @type {Map<string, Item[]>} */
  const lists = new Map();
  for (const item of items) {
    const list = lists.get(keyOf(item)) ?? [];
    list.push(item);
    lists.set(keyOf(item), list);
  }
  return [...lists];
}

/**
 * @param {Row[]} rows
 * @param {CardOptions} options of the findings
 */
export function reachView(rows, options) {
  return by(rows, (row) => row.place).map(([place, inside]) => h("section", { class: "exposed reach", "data-place": place },
    h("h3", {}, place),
    by(inside, (row) => row.network).map(([network, some]) => h("div", { class: "port" },
      network && h("h4", {}, withNames(network)),
      some.map((row) => rowView(row, options))))));
}

/**
 * A row of a large engine has many ends, so its details are made when it is opened.
 * @param {Row} row
 * @param {CardOptions} options
 */
function rowView({ names, verdict, by: why, port, protocol, groups, exposure }, options) {
  const details = h("details", {}, h("summary", {}, verdict === "reachable" ? "By " : "", why || verdict));
  const fill = () => details.append(h("div", { class: "stack" }, exposure ? wayView([exposure]) : groups.map((group) => groupView(group, groups.length > 1, options))));
  details.addEventListener("toggle", fill, { once: true });
  return h("div", { class: `way ${verdict}` },
    h("p", {}, h("span", { class: "becomes" }, icon(verdict), h("span", { class: "heard" }, verdict)), " ",
      names.map((name, at) => [at > 0 && ", ", withNames(name)]), port !== null && [" ", h("code", { class: "at" }, `${port}/${protocol}`)]),
    details);
}

/**
 * @param {Api["QueryGroup"]} group
 * @param {boolean} titled whether the row has further groups
 * @param {CardOptions} options
 */
function groupView({ ends: [first, ...others], addresses, path, findings }, titled, options) {
  const parts = [
    others.length > 0 && h("p", { class: "quiet" }, `The path of ${first?.name ?? "the first"}. Those of ${others.map(({ name }) => name).join(", ")} are alike.`),
    addresses.length > 1 && h("ul", {}, addresses.map((one) => h("li", { class: `becomes ${one.predicted}` }, icon(one.predicted), ` ${addressed(one)}: ${one.predicted}`))),
    predictedRail(path),
    findings.map((finding) => findingCard(finding, options)),
  ];
  return titled ? h("details", {}, h("summary", {}, first?.name ?? ""), h("div", { class: "stack" }, parts)) : parts;
}
