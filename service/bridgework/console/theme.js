/**
 * How the picture's elements look, in the colours of the page's style sheet, light or dark.
 *
 * @import { Css, StylesheetJson } from "cytoscape"
 */

/**
 * @param {boolean} roomy
 * @returns {StylesheetJson}
 */
export function styleFor(roomy) {
  const read = getComputedStyle(document.documentElement);
  const colour = (/** @type {string} */ name) => read.getPropertyValue(`--${name}`).trim();
  const text = { "font-family": "system-ui, sans-serif", color: colour("ink"), "text-outline-width": 0 };
  /** @returns {Partial<Css.Node>} */
  const strip = (/** @type {string} */ name) => ({
    "background-fill": "linear-gradient",
    "background-gradient-direction": "to-right",
    "background-gradient-stop-colors": [colour(name), colour(name), colour("card"), colour("card")],
    "background-gradient-stop-positions": roomy ? ["0%", "3.5%", "3.5%", "100%"] : ["0%", "4%", "4%", "100%"],
  });
  /** @type {Partial<Css.Node>} */
  const label = {
    label: "data(label)", width: 1, height: 1, "background-opacity": 0, "border-width": 0,
    "text-halign": "right", "text-valign": "center", "text-wrap": "ellipsis", "text-max-width": "data(room)",
    "overlay-opacity": 0, "text-events": "yes", "z-index": 40,
  };
  /** A line that goes down through a text is behind it. @type {Partial<Css.Node>} */
  const behind = { "text-background-color": colour("box"), "text-background-opacity": 0.9, "text-background-padding": "0px", "z-index": 13 };
  /** @type {Partial<Css.Edge>} */
  const line = { width: 1.5, "curve-style": "straight", "line-color": colour("muted"), "target-arrow-shape": "none", "overlay-opacity": 0 };
  const boxed = {
    ...text, label: "data(label)", "font-size": 11, "text-background-color": colour("card"), "text-background-opacity": 1,
    "text-background-padding": "3px", "text-background-shape": /** @type {const} */ ("roundrectangle"),
  };
  return [
    { selector: "node, edge", style: { "z-index-compare": "manual", "overlay-opacity": 0, "min-zoomed-font-size": 5 } },
    { selector: ".box", style: { shape: "round-rectangle", "corner-radius": "10px", width: "data(width)", height: "data(height)", "background-color": colour("box"), "border-width": 1, "border-color": colour("line"), "z-index": 1 } },
    { selector: ".box.folded", style: { "border-style": "double", "border-width": 4, "border-color": colour("ground-line") } },
    { selector: ".box.host", style: { "background-color": colour("ground"), "border-color": colour("ground-line") } },
    { selector: ".box.nowhere", style: { "border-style": "dashed", "background-color": colour("page") } },
    { selector: ".line, .wire, .dot, .gateway", style: { shape: "rectangle", width: "data(width)", height: "data(height)", "background-color": colour("muted"), "z-index": 12 } },
    { selector: ".line", style: { "background-color": colour("wire"), "z-index": 11 } },
    { selector: ".line.gone", style: { "background-color": colour("bad") } },
    { selector: ".dot", style: { shape: "ellipse", "z-index": 14, "background-color": colour("ink") } },
    { selector: ".gateway", style: { width: 11, height: 11, "background-color": colour("ground"), "border-width": 2, "border-color": colour("wire"), "z-index": 13 } },
    { selector: ".chip", style: { shape: "round-rectangle", "corner-radius": "6px", width: "data(width)", height: "data(height)", "border-width": 1, "border-color": colour("ground-line"), "z-index": 30, ...strip("ok") } },
    { selector: ".chip.paused", style: strip("warn") },
    { selector: ".chip.stopped", style: { ...strip("faint"), "border-style": "dashed" } },
    { selector: ".chip.interface", style: { ...strip("ground-line"), "border-color": colour("ground-line") } },
    { selector: ".chip.again, .chip.project", style: { "background-fill": "solid", "background-color": colour("page") } },
    { selector: ".chip.sharer", style: { "z-index": 29 } },
    { selector: ".chip.sharer.stale, .chip.sharer.owner-down, .chip.sharer.owner-gone", style: { "border-color": colour("bad") } },
    { selector: ".title", style: { ...label, ...text, "font-size": roomy ? 14 : 13, "font-weight": 700 } },
    { selector: ".line-name", style: { ...label, ...text, "font-size": roomy ? 13 : 12, "font-weight": 600, ...behind } },
    { selector: ".under", style: { ...label, ...text, "font-size": 11.5, color: colour("muted"), ...behind } },
    { selector: ".line-name.host, .under.host", style: { "text-background-opacity": 0 } },
    { selector: ".name", style: { ...label, ...text, "font-size": roomy ? 13 : 12, "font-weight": 500 } },
    { selector: ".name.stopped, .name.again", style: { color: colour("muted") } },
    { selector: ".address", style: { ...label, ...text, "font-size": 11.5, color: colour("muted"), "font-family": "ui-monospace, monospace" } },
    { selector: "edge", style: line },
    { selector: ".dim", style: { opacity: 0.16 } },
    { selector: ".chip.chosen, .box.chosen", style: { "border-width": 2.5, "border-color": colour("accent"), "border-style": "solid" } },
    { selector: ".line.chosen, .wire.near, .dot.near", style: { "background-color": colour("accent"), "z-index": 25 } },
    { selector: ".dot.near", style: { ...boxed, "text-halign": "right", "text-margin-x": 4, "z-index": 45 } },
    { selector: ".badge", style: { ...text, label: "data(label)", shape: "ellipse", width: 17, height: 17, "font-size": 11, "font-weight": 700, "text-halign": "center", "text-valign": "center", "background-color": colour("card"), "border-width": 2, "border-color": colour("muted"), "z-index": 46 } },
    { selector: ".badge.warning", style: { shape: "triangle", width: 23, height: 20, "border-color": colour("warn"), "text-margin-y": 3 } },
    { selector: ".badge.blocking", style: { shape: "octagon", width: 19, height: 19, "background-color": colour("bad"), "border-color": colour("bad"), color: colour("card") } },
    {
      selector: ".journey",
      style: {
        ...boxed, "font-size": 12, "font-weight": 600, width: 3, "curve-style": "unbundled-bezier", "control-point-distances": "data(bow)",
        "source-endpoint": "data(end)", "target-endpoint": "data(end)",
        "control-point-weights": 0.5, "target-arrow-shape": "triangle", "arrow-scale": 1.2, "z-index": 50, "line-color": colour("ok"), "target-arrow-color": colour("ok"), color: colour("ok"),
      },
    },
    { selector: ".journey.added", style: { "line-style": "dashed" } },
    { selector: ".journey.removed", style: { "line-color": colour("bad"), "target-arrow-color": colour("bad"), color: colour("bad"), "line-style": "dashed", "target-arrow-shape": "tee" } },
    { selector: ".journey.both", style: { "source-arrow-shape": "triangle", "source-arrow-color": colour("ok") } },
    { selector: ".journey.both.removed", style: { "source-arrow-shape": "tee", "source-arrow-color": colour("bad") } },
    { selector: ".journey.unreachable", style: { "line-color": colour("bad"), "target-arrow-color": colour("bad"), color: colour("bad"), "line-style": "dashed", "target-arrow-shape": "tee" } },
    { selector: ".journey.inconclusive", style: { "line-color": colour("warn"), "target-arrow-color": colour("warn"), color: colour("warn"), "line-style": "dashed" } },
  ];
}
