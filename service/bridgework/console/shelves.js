/**
 * One group as lines with containers below them. A line has a shelf: rows of containers that hang on it. The rows of all
 * shelves have the same columns, with a gap at the left of each column. A wire goes straight up to the line above, or
 * straight down to the next line, or through the gap at its container's left. So no wire passes under a container.
 *
 * @import { Cell, Group } from "./groups.js"
 * @import { Size } from "./layout.js"
 * @import { Seat, Spot, Way, Wire } from "./wires.js"
 * @typedef {{line: string | null, slots: (string | null)[], rows?: number[]}} Shelf `line`: also of a network that is gone,
 *   whose place stays; `slots`: row by row, each holds a cell's id, or nothing where something was removed; `rows`: at least so
 *   high is each
 * @typedef {{group: Group, columns: number, shelves: Shelf[], gaps?: number[]}} Block `gaps`: at least so wide is the gap at
 *   the left of each column
 * @typedef {{width: number, height: number, gaps: number[], rows: number[][], lines: {id: string, y: number}[], spots: Spot[], wires: Wire[]}} Drawn
 *   from the corner at the top left
 */
import { compare } from "./model.js";
import { gapFor, laid, pointsOf, waysOf } from "./wires.js";

/**
 * @param {Group} group
 * @param {number} columns
 * @returns {Block}
 */
export function arranged(group, columns) {
  const lines = ordered(group);
  const cells = [...group.cells].sort((a, b) => Number(a.again) - Number(b.again) || compare(a.item, b.item));
  const shelves = (lines.length ? lines : [null]).map((line, at) => {
    const here = cells.filter((cell) => shelfOf(cell, lines) === at);
    /** @type {(string | null)[]} */
    const slots = Array.from({ length: Math.ceil(here.length / columns) * columns }, () => null);
    fill(slots, here);
    return { line, slots };
  });
  return { group, columns, shelves };
}

/**
 * Put cells into free slots. What hangs on several lines comes last, where its wire goes straight down to the next line.
 * @param {(string | null)[]} slots
 * @param {Cell[]} cells
 */
export function fill(slots, cells) {
  const some = cells.filter(({ on }) => on.length > 1).reverse();
  for (const { id } of some) slots[slots.lastIndexOf(null)] = id;
  for (const { id, on } of cells) if (on.length <= 1) slots[slots.indexOf(null)] = id;
}

/**
 * The shelf of a cell: below the first of two neighbouring lines that it is on, or else below its first line.
 * @param {Cell} cell
 * @param {string[]} lines
 */
export function shelfOf({ on }, lines) {
  const at = on.map((id) => lines.indexOf(id)).sort((a, b) => a - b);
  return Math.max(0, at.find((one) => at.includes(one + 1)) ?? at[0] ?? 0);
}

/**
 * The order of lines: each is followed by the one with which it has most containers in common.
 * @param {Group} group
 */
function ordered({ lines, cells }) {
  const shared = (/** @type {string} */ a, /** @type {string} */ b) => cells.filter(({ on }) => on.includes(a) && on.includes(b)).length;
  const ids = lines.map(({ id }) => id);
  const open = (/** @type {Cell} */ { item, again, away }) => again || away.length || (item.kind === "container" && item.published_ports?.length);
  const reach = new Map(ids.map((id) => [id, cells.filter((cell) => cell.on.includes(id) && open(cell)).length]));
  const ties = new Map(ids.map((id) => [id, ids.filter((other) => other !== id && shared(id, other)).length]));
  // A line at the end of a chain comes first: the one with most ways out of the group, such as the proxy's network.
  ids.sort((a, b) => ((ties.get(a) || Infinity) - (ties.get(b) || Infinity) || 0) || (reach.get(b) ?? 0) - (reach.get(a) ?? 0));
  /** @type {string[]} */
  const found = [];
  for (let next = ids[0]; next !== undefined; ) {
    found.push(next);
    const last = next;
    const left = ids.filter((id) => !found.includes(id));
    next = left.reduce((best, id) => (best === undefined || shared(last, id) > shared(last, best) ? id : best), /** @type {string | undefined} */ (undefined));
  }
  return found;
}

/**
 * The measures of a block, and everything in it.
 * @param {Block} block
 * @param {Size} size
 * @param {number} [least] its width is at least this
 * @returns {Drawn}
 */
export function drawn(block, size, least = 0) {
  if (block.group.folded) return { width: Math.max(least, size.chip[0] + 2 * size.pad), height: size.folded, gaps: block.gaps ?? [], rows: [], lines: [], spots: [], wires: [] };
  const { seats, rows, lines, height } = stacked(block, size);
  const lanes = laid(seats);
  const most = (/** @type {number} */ column) => Math.max(0, ...seats.map((seat) => (seat.column === column ? (lanes.get(seat) ?? 0) : 0)));
  const gaps = Array.from({ length: block.columns }, (_, column) => gapFor(most(column), size, block.gaps?.[column]));
  const ends = gaps.reduce((xs, gap) => [...xs, (xs.at(-1) ?? 0) + gap + size.chip[0]], [size.pad / 2]).slice(1);
  for (const { spot, column } of seats) spot.x = (ends[column] ?? 0) - size.chip[0] / 2;
  const left = (/** @type {Seat} */ seat, /** @type {Way["by"]} */ by) => {
    const pitch = Math.min(size.lane, (gaps[seat.column] ?? 0) / (most(seat.column) + 2));
    return seat.spot.x - size.chip[0] / 2 - (by === "lane" ? (lanes.get(seat) ?? 0) + 1 : 1) * pitch;
  };
  const wires = seats.flatMap((seat) => seat.ways.map(({ network, y, by }) => ({ cell: seat.spot.cell, network, points: pointsOf(seat, y, by, size, left(seat, by)) })));
  return { width: Math.max(least, (ends.at(-1) ?? 0) + size.pad), height, gaps, rows, lines, spots: seats.map(({ spot }) => spot), wires };
}

/**
 * Everything's height, from the top down.
 * @param {Block} block
 * @param {Size} size
 */
function stacked({ group, columns, shelves }, size) {
  const cells = new Map(group.cells.map((cell) => [cell.id, cell]));
  /** @type {Seat[]} */
  const seats = [];
  /** @type {{id: string, y: number}[]} */
  const lines = [];
  /** @type {number[][]} */
  const rows = [];
  let y = isTitled(group) ? size.head : size.pad / 2;
  for (const [shelf, { line, slots, rows: least = [] }] of shelves.entries()) {
    /** @type {number[]} */
    const heights = [];
    rows.push(heights);
    if (line) {
      lines.push({ id: line, y: y + size.label });
      y += size.label + size.drop;
    }
    for (let first = 0; first < slots.length; first += columns) {
      const row = slots.slice(first, first + columns).map((id) => cells.get(id ?? ""));
      for (const [column, cell] of row.entries()) {
        if (!cell) continue;
        const own = heightOf(cell, size);
        const last = !slots.some((id, slot) => id !== null && slot >= first + columns && slot % columns === column);
        seats.push({ spot: { cell, x: 0, y: y + own / 2, width: size.chip[0], height: own }, shelf, row: first / columns, column, last, ways: [] });
      }
      const height = Math.max(size.chip[1], least[heights.length] ?? 0, ...row.map((cell) => (cell ? heightOf(cell, size) : 0)));
      heights.push(height);
      y += height + size.gap;
    }
    y += slots.length ? size.rest : size.gap;
  }
  for (const seat of seats) seat.ways = waysOf(seat, lines);
  return { seats, rows, lines, height: y - size.rest + size.pad / 2 };
}

/** Whether the group has a title above its lines. @param {Group} group */
export const isTitled = ({ lines, project }) => lines.length === 0 || project !== "";

/** @param {Cell} cell @param {Size} size */
const heightOf = ({ sharers }, size) => size.chip[1] + sharers.length * size.sharer;
