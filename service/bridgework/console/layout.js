/**
 * Where everything is drawn. Each network is a line on which its containers hang (shelves.js). Groups of networks
 * (groups.js) are boxes of one width in columns, from the top down, and the host is below them. What was drawn before
 * keeps its place while others come and go (stay.js); otherwise the result depends only on the engine's state and the
 * view's size.
 *
 * @import { Cell, Group } from "./groups.js"
 * @import { Block, Drawn } from "./shelves.js"
 * @import { Point, Wire } from "./wires.js"
 * @import { EngineModel, Network } from "./model.js"
 * @typedef {{chip: [number, number], sharer: number, gap: number, lane: number, least: number, pad: number, head: number, label: number, drop: number,
 *   rest: number, folded: number, between: number}} Size in pixels at zoom 1: `gap` between two containers, `lane` between two
 *   wires beside a container, `least` the width of a group, `label` above a line, `drop` from a line to its containers, `rest` below its last row
 * @typedef {{width: number, height: number}} View
 * @typedef {{column: number, y: number}} Corner
 * @typedef {{blocks: Block[], corners: Map<string, Corner | undefined>, host: Block, columns: number, cells: number, wide: number, size: Size}} Arrangement
 *   `corners`: where each group begins; `cells`: how many containers a row of a group has; `wide`: the width of a group
 * @typedef {{id: string, group: Group, width: number, height: number, x: number, y: number}} Box
 * @typedef {{id: string, name: string, network?: Network, x: number, y: number, width: number}} Bus
 * @typedef {{id: string, item: Cell["item"], cell: Cell, sharer: boolean, width: number, height: number, x: number, y: number}} Chip
 *   `sharer`: it shares the network namespace of the one above it
 * @typedef {{boxes: Box[], lines: Bus[], chips: Chip[], wires: Wire[], width: number, height: number, roomy: boolean, zoom: number, arranged: Arrangement}} Layout
 *   positions are centres, as cytoscape wants them; `zoom`: at which the whole fits the view, or its width if the text would
 *   be too small
 */
import { groupsOf, keptFrom } from "./groups.js";
import { HOST } from "./model.js";
import { arranged, drawn } from "./shelves.js";
import { changed } from "./stay.js";

/** With more containers than this, they are drawn small, without addresses and veths. */
export const ROOMY_UP_TO = 40;
/** The smallest zoom at which the text can be read. With a smaller one the picture is higher than the view. */
const READABLE = 0.86;
/** A larger one is not needed. */
const COMFORTABLE = 0.93;
/** @type {Record<"roomy" | "wired" | "dense", Size>} `wired` has a line more, for the veth */
const SIZES = {
  wired: { chip: [162, 56], sharer: 26, gap: 12, lane: 6, least: 230, pad: 16, head: 36, label: 24, drop: 13, rest: 8, folded: 62, between: 20 },
  roomy: { chip: [162, 38], sharer: 26, gap: 12, lane: 6, least: 230, pad: 16, head: 36, label: 24, drop: 13, rest: 8, folded: 62, between: 20 },
  dense: { chip: [112, 23], sharer: 21, gap: 8, lane: 5, least: 200, pad: 12, head: 30, label: 19, drop: 9, rest: 4, folded: 52, between: 14 },
};
const [MOST_CELLS, MOST_COLUMNS] = [8, 8];

/**
 * @param {EngineModel} model
 * @param {View} view
 * @param {Layout | null} [last] what is drawn now, whose places are kept; null arranges everything again
 * @param {(project: string) => boolean} [isFolded]
 * @returns {Layout}
 */
export function place(model, view, last = null, isFolded = () => false) {
  const groups = groupsOf(model, isFolded, last ? keptFrom(last.arranged.blocks.map(({ group }) => group)) : undefined);
  const host = /** @type {Group} */ (groups.pop());
  const sizes = sizesFor(model);
  if (last && sizes.includes(last.arranged.size)) return placed(changed(last.arranged, groups, host), view);
  const tried = sizes.map((size) => best(groups, host, size, view));
  const { arrangement } = /** @type {typeof tried[number]} */ (tried.find(({ zoom }) => zoom >= COMFORTABLE) ?? tried.at(-1));
  return placed(arrangement, view);
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
 * The best arrangement, of all numbers of columns and of containers in a row: the one with most straight wires of those
 * that can be read well. If none fits the view, one that fits its width: a low one with many straight wires.
 * @param {Group[]} groups
 * @param {Group} host
 * @param {Size} size
 * @param {View} view
 */
function best(groups, host, size, view) {
  /** @type {{arrangement: Arrangement, zoom: number, worth: number[]}[]} */
  const tried = [];
  for (let cells = 1; cells <= MOST_CELLS; cells += 1) {
    const blocks = groups.map((group) => arranged(group, cells));
    const parts = blocks.map((block) => drawn(block, size));
    const wires = parts.flatMap((part) => part.wires);
    const straight = wires.filter(({ points }) => points.length === 2).length / (wires.length || 1);
    for (let columns = 1; columns <= Math.min(MOST_COLUMNS, Math.max(1, groups.length)); columns += 1) {
      const arrangement = { blocks, corners: new Map(), host: arranged(host, cells * columns), columns, cells, wide: size.least, size };
      const { zoom, height } = measured(arrangement, parts, view);
      tried.push({ arrangement, zoom, worth: worthOf({ zoom, height }, straight, view) });
    }
  }
  return tried.reduce((most, one) => (before(most.worth, one.worth) ? one : most));
}

/**
 * How good an arrangement is, as numbers of which the first ones count most. One that can be read and fits the view is
 * better than one that fits its width only.
 * @param {{zoom: number, height: number}} whole
 * @param {number} straight the share of straight wires
 * @param {View} view
 */
function worthOf({ zoom, height }, straight, view) {
  if (zoom >= COMFORTABLE) return [3, straight, zoom];
  if (zoom < READABLE) return [0, zoom];
  return height * READABLE <= view.height ? [2, straight, zoom] : [1, -height * (1.5 - straight)];
}

/** Whether a list of numbers comes before another. @param {number[]} one @param {number[]} other */
function before(one, other) {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at >= 0 && (one[at] ?? 0) < (other[at] ?? 0);
}

/**
 * The measures of the whole, and where each group begins. A group that has no place yet is the last one of the shortest
 * column.
 * @param {Arrangement} arrangement
 * @param {Drawn[]} parts of its blocks
 * @param {View} view
 */
function measured({ blocks, corners: known, host, columns, wide: least, size }, parts, view) {
  const wide = Math.max(least, ...parts.map(({ width }) => width));
  const bottoms = Array.from({ length: columns }, () => 0);
  /** @type {Map<string, Corner>} */
  const corners = new Map();
  for (const [at, { group }] of blocks.entries()) {
    const last = known.get(group.id);
    const column = last?.column ?? bottoms.indexOf(Math.min(...bottoms));
    const y = Math.max(bottoms[column] ?? 0, last?.y ?? 0);
    corners.set(group.id, { column, y });
    bottoms[column] = y + (parts[at]?.height ?? 0) + size.between;
  }
  const ground = drawn(host, size, columns * (wide + size.between) - size.between);
  const y = Math.max(known.get(HOST)?.y ?? 0, ...bottoms);
  corners.set(HOST, { column: 0, y });
  const [width, height] = [ground.width, y + ground.height];
  return { wide, corners, ground, width, height, zoom: Math.min(view.width / width, Math.max(view.height / height, READABLE)) };
}

/**
 * @param {Arrangement} arrangement
 * @param {View} view
 * @returns {Layout}
 */
function placed(arrangement, view) {
  const { size } = arrangement;
  const parts = arrangement.blocks.map((block) => drawn(block, size));
  const { wide, corners, ground, width, height, zoom } = measured(arrangement, parts, view);
  const blocks = arrangement.blocks.map((block, at) => {
    const { gaps, rows } = parts[at] ?? ground;
    return { ...block, gaps, shelves: block.shelves.map((shelf, row) => ({ ...shelf, rows: rows[row] ?? [] })) };
  });
  /** @type {Layout} */
  const layout = { boxes: [], lines: [], chips: [], wires: [], width, height, zoom, roomy: size !== SIZES.dense, arranged: { ...arrangement, blocks, wide, corners } };
  for (const [at, { group }] of [...blocks, arrangement.host].entries()) {
    const [part, corner] = [parts[at] ?? ground, corners.get(group.id)];
    if (corner) put(layout, group, { ...part, width: part === ground ? width : wide }, { x: corner.column * (wide + size.between), y: corner.y }, size);
  }
  return layout;
}

/**
 * Put a group's parts at their places in the whole.
 * @param {Layout} layout
 * @param {Group} group
 * @param {Drawn} one
 * @param {Point} corner at the top left
 * @param {Size} size
 */
function put(layout, group, one, { x: left, y: top }, size) {
  layout.boxes.push({ id: group.id, group, width: one.width, height: one.height, x: left + one.width / 2, y: top + one.height / 2 });
  const names = new Map(group.lines.map((line) => [line.id, line]));
  for (const { id, y } of one.lines) {
    const line = names.get(id);
    if (line) layout.lines.push({ ...line, x: left + one.width / 2, y: top + y, width: one.width - size.pad });
  }
  for (const { cell, x, y, width, height } of one.spots) {
    const first = top + y - height / 2;
    layout.chips.push({ id: cell.id, item: cell.item, cell, sharer: false, width, height: size.chip[1], x: left + x, y: first + size.chip[1] / 2 });
    for (const [at, item] of cell.sharers.entries()) {
      layout.chips.push({ id: item.id, item, cell, sharer: true, width: width - 12, height: size.sharer - 3, x: left + x + 6, y: first + size.chip[1] + (at + 0.5) * size.sharer });
    }
  }
  layout.wires.push(...one.wires.map((wire) => ({ ...wire, points: wire.points.map(({ x, y }) => ({ x: left + x, y: top + y })) })));
}
