/** What an answer leaves open: each part with the reason and what to change, in the same words in every view. */
import { h, plural } from "./dom.js";
import { withNames } from "./names.js";

/**
 * The inconclusive pairs and the parts that were not looked at, or nothing.
 * @param {Api["Limitation"][]} limited
 */
export function limitedView(limited) {
  return limited.length > 0 && h("details", { class: "limited", open: limited.length < 4 },
    h("summary", {}, `${plural(limited.length, "thing")} left open`),
    h("ul", {}, limited.map(({ code, what, why, remedy }) => h("li", { "data-reason": code },
      h("strong", {}, withNames(what)), " ", h("code", {}, code), h("p", {}, withNames(why)), remedy && h("p", {}, remedy)))));
}
