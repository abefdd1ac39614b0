/**
 * What leads from one part of the page to another: a button in the details of a container asks its question in the part
 * that answers it.
 *
 * @import { Aim } from "./check.js"
 * @typedef {{show: (id: string) => void}} Tabs
 */
import { byId } from "./dom.js";
import { askLine, check, diagnostics, exposure, inside, matrix, picture, reach, whatIf } from "./parts.js";
import { planning } from "./plan.js";

/** @param {{panels: Tabs, views: Tabs, refresh: () => unknown}} page */
export function connect({ panels, views, refresh }) {
  const aim = (/** @type {Aim} */ ends) => {
    check.aim(ends);
    panels.show("panel-check");
  };
  inside.on("check", aim);
  check.on("journey", (journey) => picture.journey(journey));
  planning.on("change", (changes) => picture.plan(changes));
  matrix.on("check", (ends) => {
    aim(ends);
    check.run();
  });
  inside.on("exposure", (name) => {
    exposure.choose(name);
    views.show("view-exposure");
    byId("tab-exposure").focus();
  });
  inside.on("reach", (wanted) => {
    reach.choose(wanted);
    views.show("view-reach");
    byId("tab-reach").focus();
  });
  inside.on("changed", refresh);
  check.on("changed", refresh);
  inside.on("plan", (changes) => {
    whatIf.plan(changes);
    panels.show("panel-what-if");
    byId("tab-what-if").focus();
  });
  inside.on("upgrade", () => {
    panels.show("panel-diagnostics");
    byId("upgrade-form").querySelector("input")?.focus();
  });
  whatIf.on("changed", refresh);
  reach.on("changed", refresh);
  diagnostics.on("changed", refresh);
  askLine.on("check", (pair) => {
    panels.show("panel-check");
    check.line(pair);
  });
}
