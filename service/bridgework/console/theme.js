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
  /** @type {Partial<Css.Edge>} */
  const line = { width: 1.5, "curve-style": "straight", "line-color": colour("muted"), "target-arrow-shape": "none", "overlay-opacity": 0 };
  /** @type {Partial<Css.Edge>} */
  const onLine = {
    ...text, label: "data(label)", "font-size": 11, "text-background-color": colour("card"), "text-background-opacity": 1,
    "text-background-padding": "3px", "text-background-shape": "roundrectangle",
  };
  return [
    { selector: "node, edge", style: { "z-index-compare": "manual", "overlay-opacity": 0, "min-zoomed-font-size": 5 } },
    { selector: ".box", style: { shape: "round-rectangle", "corner-radius": "12px", width: "data(width)", height: "data(height)", "background-color": colour("box"), "border-width": 1, "border-color": colour("line"), "z-index": 10 } },
    { selector: ".box.host", style: { "background-color": colour("ground"), "border-color": colour("ground-line") } },
    { selector: ".box.nowhere, .box.gone", style: { "border-style": "dashed", "background-color": colour("page") } },
    { selector: ".box.gone", style: { "border-color": colour("bad") } },
    { selector: ".chip", style: { shape: "round-rectangle", "corner-radius": "6px", width: "data(width)", height: "data(height)", "border-width": 1, "border-color": colour("line"), "z-index": 30, ...strip("ok") } },
    { selector: ".chip.paused", style: strip("warn") },
    { selector: ".chip.stopped", style: { ...strip("faint"), "border-style": "dashed" } },
    { selector: ".chip.interface", style: { ...strip("ground-line"), "border-color": colour("ground-line") } },
    { selector: ".title", style: { ...label, ...text, "font-size": 15, "font-weight": 600 } },
    { selector: ".under", style: { ...label, ...text, "font-size": 11.5, color: colour("muted") } },
    { selector: ".name", style: { ...label, ...text, "font-size": roomy ? 13 : 12, "font-weight": 500 } },
    { selector: ".name.stopped", style: { color: colour("muted") } },
    { selector: ".address", style: { ...label, ...text, "font-size": 11.5, color: colour("muted"), "font-family": "ui-monospace, monospace" } },
    { selector: "edge", style: line },
    { selector: ".ground", style: { "line-color": colour("ground-line"), width: 2, "source-endpoint": "0 50%", "target-endpoint": "data(at)", "z-index": 5 } },
    { selector: ".link", style: { "source-endpoint": "0 0", "target-endpoint": "data(end)", opacity: roomy ? 0.8 : 0.3, "z-index": 20 } },
    {
      selector: ".link.bent",
      style: {
        "curve-style": "round-segments", "segment-weights": "data(weights)", "segment-distances": "data(distances)", "segment-radii": [7],
        // The types of cytoscape 3.34 lack this value, which its documentation has.
        "edge-distances": /** @type {"node-position"} */ (/** @type {string} */ ("endpoints")),
      },
    },
    { selector: ".share", style: { ...(roomy ? onLine : {}), "line-style": "dashed", "z-index": roomy ? 35 : 25, "curve-style": "unbundled-bezier", "control-point-distances": 18, "control-point-weights": 0.5 } },
    { selector: ".share.stale, .share.owner-down, .share.owner-gone", style: { "line-color": colour("bad"), color: colour("bad") } },
    { selector: ".dim", style: { opacity: 0.16 } },
    { selector: ".chip.chosen, .box.chosen", style: { "border-width": 2.5, "border-color": colour("accent"), "border-style": "solid" } },
    { selector: ".link.near, .share.near", style: { ...onLine, opacity: 1, width: 2.5, "line-color": colour("accent"), "z-index": 25 } },
    {
      selector: ".journey",
      style: {
        ...onLine, "font-size": 12, "font-weight": 600, width: 3, "curve-style": "unbundled-bezier", "control-point-distances": "data(bow)",
        "source-endpoint": "data(end)", "target-endpoint": "data(end)",
        "control-point-weights": 0.5, "target-arrow-shape": "triangle", "arrow-scale": 1.2, "z-index": 50, "line-color": colour("ok"), "target-arrow-color": colour("ok"), color: colour("ok"),
      },
    },
    { selector: ".journey.added", style: { "line-style": "dashed" } },
    { selector: ".journey.removed", style: { "line-color": colour("bad"), "target-arrow-color": colour("bad"), color: colour("bad"), "line-style": "dashed", "target-arrow-shape": "tee" } },
    { selector: ".journey.unreachable", style: { "line-color": colour("bad"), "target-arrow-color": colour("bad"), color: colour("bad"), "line-style": "dashed", "target-arrow-shape": "tee" } },
    { selector: ".journey.inconclusive", style: { "line-color": colour("warn"), "target-arrow-color": colour("warn"), color: colour("warn"), "line-style": "dashed" } },
  ];
}
