/** The addresses of the destination of a check, each with its prediction and its measurement. */
import { h, icon } from "./dom.js";

const TITLES = ["Address", "Network", "Predicted", "Measured"];
const NOT_MEASURED = "as predicted for the measured one";

/**
 * @param {Api["CheckResult"]} result
 * @param {(failed: { reason: Api["TriedAddress"]["reason"] }) => string} reasonOf
 */
export function addressTable({ addresses }, reasonOf) {
  const side = (/** @type {string} */ verdict) => h("td", { class: verdict }, icon(verdict), verdict);
  return h("table", { class: "addresses" },
    h("thead", {}, h("tr", {}, TITLES.map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, addresses.map(({ address, network, predicted, measured, reason }) => h("tr", {},
      h("th", { scope: "row" }, h("code", {}, address)),
      h("td", {}, network?.name ?? ""),
      side(predicted),
      measured ? side(measured) : h("td", { class: "quiet" }, reasonOf({ reason }) || NOT_MEASURED)))));
}
