/**
 * Where everything is drawn. Each network is a box with its containers in a grid. The boxes are in rows, and the host is
 * below them. The result depends only on the engine's state and the view's size, so the picture stays the same.
 *
 * @import { Container, EngineModel, Interface, Network } from "./model.js"
 * @typedef {{chip: [number, number], gap: number, pad: number, head: number, between: number, foot: number, least: number, most: number}} Size
 *   in pixels at zoom 1
 * @typedef {{width: number, height: number}} View
 * @typedef {{id: string, name: string, network?: Network, inside: (Container | Interface)[]}} District
 * @typedef {District & {columns: number, width: number, height: number}} Block a district with its measures
 * @typedef {Block & {x: number, y: number}} Placed the corner at the top left
 * @typedef {{blocks: Placed[], host: Placed, width: number, height: number}} Arrangement
 * @typedef {{id: string, name: string, network?: Network, width: number, height: number, x: number, y: number}} Box
 * @typedef {{item: Container | Interface, width: number, height: number, x: number, y: number}} Chip
 * @typedef {{boxes: Box[], chips: Chip[], width: number, height: number, roomy: boolean, size: Size}} Layout
 *   positions are centres, as cytoscape wants them
 */
import { compare, HOST, isDrawn, NOWHERE } from "./model.js";

/** With more containers than this, they are drawn small, without addresses and veths. */
export const ROOMY_UP_TO = 40;
/** @type {Record<"roomy" | "wired" | "dense", Size>} `wired` has a line more, for the veth */
const SIZES = {
  roomy: { chip: [186, 48], gap: 24, pad: 18, head: 58, between: 40, foot: 24, least: 280, most: 186 },
  wired: { chip: [186, 66], gap: 24, pad: 18, head: 58, between: 40, foot: 24, least: 280, most: 186 },
  dense: { chip: [108, 25], gap: 5, pad: 11, head: 48, between: 18, foot: 0, least: 240, most: 170 },
};
/** The first one is kept unless another makes the whole 2 % larger. */
const ASPECTS = [1.3, 0.8, 1, 1.7, 2.2];
const MOST_WIDENED = 0.6;

/**
 * @param {EngineModel} model
 * @param {View} view
 * @returns {Layout}
 */
export function place(model, view) {
  const roomy = model.containers.length <= ROOMY_UP_TO;
  const wired = model.containers.some((container) => container.endpoints.some((endpoint) => endpoint.veth));
  const size = roomy ? (wired ? SIZES.wired : SIZES.roomy) : SIZES.dense;
  const { districts, host } = districtsOf(model);
  const tried = ASPECTS.map((aspect) => best(districts.map((one) => measured(one, size, aspect)), host, size, view));
  const arranged = tried.reduce((found, one) => (one.zoom > found.zoom * 1.02 ? one : found));
  const chips = [...arranged.blocks, arranged.host].flatMap((block) => gridded(block, size));
  const boxes = [...arranged.blocks, arranged.host].map(({ id, name, network, x, y, width, height }) => (
    { id, name, ...(network && { network }), width, height, x: x + width / 2, y: y + height / 2 }));
  return { boxes, chips, width: arranged.width, height: arranged.height, roomy, size };
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
 * @param {District} district
 * @param {Size} size
 * @param {number} aspect width by height of the grid that is wanted
 */
function measured(district, size, aspect) {
  const count = district.inside.length;
  const [width, height] = size.chip;
  const ideal = Math.sqrt((count * aspect * (height + size.gap)) / (width + size.gap));
  return withColumns(district, size, Math.max(Math.min(count, 2), Math.min(count, Math.round(ideal))));
}

/**
 * @param {District} district
 * @param {Size} size
 * @param {number} columns
 * @returns {Block}
 */
function withColumns(district, size, columns) {
  const [width, height] = size.chip;
  const rows = Math.ceil(district.inside.length / columns);
  const inner = rows ? rows * (height + size.gap) - size.gap + size.foot : 0;
  return {
    ...district,
    columns,
    width: Math.max(size.least, columns * (width + size.gap) - size.gap + 2 * size.pad),
    height: size.head + inner + size.pad,
  };
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

/**
 * The host, as wide as everything above it.
 * @param {District} host
 * @param {Size} size
 * @param {number} width
 */
function grounded(host, size, width) {
  const fitting = Math.max(1, Math.floor((width - 2 * size.pad + size.gap) / (size.chip[0] + size.gap)));
  return { ...withColumns(host, size, Math.min(fitting, Math.max(1, host.inside.length))), width };
}

/**
 * @param {Placed} block
 * @param {Size} size
 * @returns {Chip[]}
 */
function gridded(block, size) {
  const inner = block.width - 2 * size.pad + size.gap;
  const width = Math.min(size.most, inner / block.columns - size.gap);
  const [, height] = size.chip;
  return block.inside.map((item, index) => ({
    item,
    width,
    height,
    x: block.x + size.pad + (index % block.columns) * (width + size.gap) + width / 2,
    y: block.y + size.head + Math.floor(index / block.columns) * (height + size.gap) + height / 2,
  }));
}
