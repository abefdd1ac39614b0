/** The addresses of a destination, each with its verdicts: in a check, in a pair of a matrix, in a pair of a plan. */
import { h, icon } from "./dom.js";

const NOT_MEASURED = "as predicted for the measured one";
const NO_WAY = "the source has no way to it";

/**
 * @param {Api["TriedAddress"][]} addresses
 * @param {(failed: { reason: Api["TriedAddress"]["reason"] }) => string} reasonOf
 */
export const addressTable = (addresses, reasonOf) => table(["Predicted", "Measured"], addresses,
  ({ predicted, measured, reason }) => [side(predicted, ""), side(measured, reasonOf({ reason }) || NOT_MEASURED)]);

/** @param {Api["PlanAddress"][]} addresses */
export const changedAddresses = (addresses) => table(["Before", "After"], addresses, ({ before, after }) => [side(before, NO_WAY), side(after, NO_WAY)]);

/**
 * @param {string | null} verdict
 * @param {string} otherwise is shown if there is no verdict
 */
const side = (verdict, otherwise) => (verdict ? h("td", { class: verdict }, icon(verdict), verdict) : h("td", { class: "quiet" }, otherwise));

/**
 * @template {{address: string, network: Api["Reference"] | null}} One
 * @param {string[]} sides
 * @param {One[]} addresses
 * @param {(one: One) => HTMLElement[]} sidesOf
 */
function table(sides, addresses, sidesOf) {
  return h("table", { class: "addresses" },
    h("thead", {}, h("tr", {}, ["Address", "Network", ...sides].map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, addresses.map((one) => h("tr", {}, h("th", { scope: "row" }, h("code", {}, one.address)), h("td", {}, one.network?.name ?? ""), sidesOf(one)))));
}
