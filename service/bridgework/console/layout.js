/**
 * Where everything is drawn. Each network is a box with its containers in a grid. The boxes are in rows, and the host is
 * below them. What was drawn before keeps its place while others come and go (`changed`); otherwise the result depends
 * only on the engine's state and the view's size.
 *
 * @import { Container, EngineModel, Interface, Network } from "./model.js"
 * @typedef {{chip: [number, number], gap: number, pad: number, head: number, between: number, foot: number, least: number, most: number}} Size
 *   in pixels at zoom 1
 * @typedef {{width: number, height: number}} View
 * @typedef {{id: string, name: string, network?: Network, inside: (Container | Interface)[]}} District
 * @typedef {District & {columns: number, slots: (string | null)[], width: number, height: number}} Block a district with its
 *   measures; each slot of its grid holds an id, or nothing where something was removed
 * @typedef {Block & {x: number, y: number}} Placed the corner at the top left
 * @typedef {{blocks: Placed[], host: Placed, width: number, height: number}} Arrangement
 * @typedef {{id: string, name: string, network?: Network, width: number, height: number, x: number, y: number}} Box
 * @typedef {{item: Container | Interface, width: number, height: number, x: number, y: number}} Chip
 * @typedef {{boxes: Box[], chips: Chip[], width: number, height: number, roomy: boolean, size: Size, arranged: Arrangement}} Layout
 *   positions are centres, as cytoscape wants them
 */
import { gridded, grounded, measured } from "./blocks.js";
import { compare, HOST, isDrawn, NOWHERE } from "./model.js";
import { changed } from "./stay.js";

/** With more containers than this, they are drawn small, without addresses and veths. */
export const ROOMY_UP_TO = 40;
/** The smallest text at zoom 1, which the view must not make smaller than can be read. */
const [TEXT, READABLE] = [11.5, 11];
/** @type {Record<"roomy" | "wired" | "dense", Size>} `wired` has a line more, for the veth */
const SIZES = {
  wired: { chip: [172, 60], gap: 12, pad: 14, head: 50, between: 30, foot: 4, least: 212, most: 186 },
  roomy: { chip: [184, 40], gap: 10, pad: 14, head: 50, between: 28, foot: 4, least: 212, most: 186 },
  dense: { chip: [108, 25], gap: 5, pad: 11, head: 48, between: 18, foot: 0, least: 240, most: 170 },
};
/** The first one is kept unless another makes the whole 2 % larger. */
const ASPECTS = [1.3, 0.8, 1, 1.7, 2.2];
const MOST_WIDENED = 0.6;

/**
 * @param {EngineModel} model
 * @param {View} view
 * @param {Layout | null} [before] what is drawn now, whose places are kept; null arranges everything again
 * @returns {Layout}
 */
export function place(model, view, before = null) {
  const { districts, host } = districtsOf(model);
  if (before && sizesFor(model).includes(before.size)) return placed(changed(before.arranged, [...districts, host], before.size), before.size);
  const tried = sizesFor(model).map((size) => ({ size, ...arranged(districts, host, size, view) }));
  const fit = tried.find(({ zoom }) => zoom * TEXT >= READABLE) ?? tried.reduce((least, one) => (one.zoom > least.zoom ? one : least));
  return placed(fit, fit.size);
}

/**
 * The sizes that have room for what is known of the containers, the largest first.
 * @param {EngineModel} model
 */
function sizesFor({ containers }) {
  if (containers.length > ROOMY_UP_TO) return [SIZES.dense];
  const wired = containers.some((container) => container.endpoints.some((endpoint) => endpoint.veth));
  return wired ? [SIZES.wired, SIZES.roomy, SIZES.dense] : [SIZES.roomy, SIZES.dense];
}

/**
 * @param {District[]} districts
 * @param {District} host
 * @param {Size} size
 * @param {View} view
 */
function arranged(districts, host, size, view) {
  const tried = ASPECTS.map((aspect) => best(districts.map((one) => measured(one, size, aspect)), host, size, view));
  return tried.reduce((found, one) => (one.zoom > found.zoom * 1.02 ? one : found));
}

/**
 * @param {Arrangement} found
 * @param {Size} size
 * @returns {Layout}
 */
function placed(found, size) {
  const blocks = [...found.blocks, found.host];
  const boxes = blocks.map(({ id, name, network, x, y, width, height }) => ({ id, name, ...(network && { network }), width, height, x: x + width / 2, y: y + height / 2 }));
  const chips = blocks.flatMap((block) => gridded(block, size));
  return { boxes, chips, width: found.width, height: found.height, roomy: size !== SIZES.dense, size, arranged: found };
}

/**
 * The boxes and what is in them, by name. Containers without a network have a box if there are any.
 * @param {EngineModel} model
 */
function districtsOf(model) {
  /** @type {District[]} */
  const boxes = model.networks.filter(isDrawn).sort(compare).map((network) => ({ id: network.id, name: network.name, network, inside: [] }));
  /** @type {District} */
  const nowhere = { id: NOWHERE, name: "no network", inside: [] };
  /** @type {District} */
  const host = { id: HOST, name: "host", inside: [...model.interfaces] };
  const found = new Map([...boxes, nowhere, host].map((box) => [box.id, box]));
  for (const container of [...model.containers].sort(compare)) found.get(container.home)?.inside.push(container);
  return { districts: nowhere.inside.length ? [...boxes, nowhere] : boxes, host };
}

/**
 * Try row widths, from the widest box to all boxes in one row, and keep the arrangement that is shown largest.
 * @param {Block[]} blocks
 * @param {District} host
 * @param {Size} size
 * @param {View} view
 * @returns {Arrangement & {zoom: number}}
 */
function best(blocks, host, size, view) {
  const widest = Math.max(size.least, ...blocks.map((block) => block.width));
  const whole = blocks.reduce((sum, block) => sum + block.width + size.between, 0);
  let found = null;
  for (let width = widest; ; width = Math.min(width * 1.08 + 1, Math.max(whole, widest))) {
    const tried = rowed(blocks, host, size, width);
    const zoom = Math.min(view.width / tried.width, view.height / tried.height);
    if (!found || zoom > found.zoom * 1.01) found = { ...tried, zoom };
    if (width >= whole) return found;
  }
}

/**
 * Rows no wider than `limit`, each a list of columns. Every row is then widened to the widest.
 * @param {Block[]} blocks
 * @param {District} host
 * @param {Size} size
 * @param {number} limit
 * @returns {Arrangement}
 */
function rowed(blocks, host, size, limit) {
  const waiting = [...blocks].sort((a, b) => b.height - a.height || compare(a, b));
  const rows = [];
  for (let first = waiting.shift(); first; first = waiting.shift()) {
    const { height } = first; // the tallest of the row, since the tallest come first
    const row = [column(first, waiting, height, size)];
    let x = first.width + size.between;
    while (waiting[0] && x + waiting[0].width <= limit) {
      const [next] = waiting.splice(0, 1);
      if (!next) break;
      row.push(column(next, waiting, height, size));
      x += next.width + size.between;
    }
    rows.push({ row, height, width: x - size.between });
  }
  const width = Math.max(size.least, ...rows.map((one) => one.width));
  /** @type {Placed[]} */
  const done = [];
  let y = 0;
  for (const { row, height, width: own } of rows) {
    const extra = (width - own) / row.length;
    let x = 0;
    for (const { width: narrow, stack } of row) {
      const wide = narrow + (row.length > 1 ? Math.min(extra, narrow * MOST_WIDENED) : extra);
      done.push(...stack.map((block) => ({ ...block, x, y: y + block.below, width: wide })));
      x += wide + size.between;
    }
    y += height + size.between;
  }
  const ground = grounded(host, size, width);
  return { blocks: done, host: { ...ground, x: 0, y }, width, height: y + ground.height };
}

/**
 * A box, and below it those of `waiting` that still fit the row's height and the box's width; `waiting` loses them.
 * @param {Block} first
 * @param {Block[]} waiting
 * @param {number} rowHeight
 * @param {Size} size
 */
function column(first, waiting, rowHeight, size) {
  const stack = [{ ...first, below: 0 }];
  let below = first.height + size.between;
  for (const next of [...waiting]) {
    if (below + next.height > rowHeight || next.width > first.width) continue;
    waiting.splice(waiting.indexOf(next), 1);
    stack.push({ ...next, below });
    below += next.height + size.between;
  }
  return { width: first.width, stack };
}
