/**
 * How containers are wired to their lines: straight where nothing is between, or else through the gap at the left of their
 * column. The gap has lanes: one for the shelf's own line, and one for each container on several lines.
 *
 * @import { Cell } from "./groups.js"
 * @import { Size } from "./layout.js"
 * @typedef {{x: number, y: number}} Point
 * @typedef {{cell: Cell, network: string, points: Point[]}} Wire from a point of a line to its container, level or upright
 * @typedef {{cell: Cell, x: number, y: number, width: number, height: number}} Spot its centre
 * @typedef {{network: string, y: number, by: "straight" | "comb" | "lane"}} Way `y` of the line; `comb`: beside the column, with
 *   the others that hang on this line only; `lane`: beside the column, alone
 * @typedef {{spot: Spot, shelf: number, row: number, column: number, last: boolean, ways: Way[]}} Seat `last`: nothing of its
 *   shelf is below it
 */

/** The least distance of two lanes. */
const CLOSEST = 2.5;

/**
 * The gap at the left of a column: a lane for its shelf's line, one for each of `lanes`, and one to spare. A gap that was
 * there before keeps its width, and its lanes come closer.
 * @param {number} lanes
 * @param {Size} size
 * @param {number} [before]
 */
export const gapFor = (lanes, size, before) => (before ? Math.max(before, (lanes + 2) * CLOSEST) : (Math.max(lanes, 1) + 2) * size.lane);

/**
 * How a container is wired to each of its lines.
 * @param {Seat} seat
 * @param {{id: string, y: number}[]} lines
 * @returns {Way[]}
 */
export function waysOf({ spot: { cell }, shelf, row, last }, lines) {
  return cell.on.map((network) => {
    const at = lines.findIndex(({ id }) => id === network);
    const straight = (at === shelf && row === 0) || (at === shelf + 1 && last);
    return { network, y: lines[at]?.y ?? 0, by: straight ? "straight" : cell.on.length === 1 ? "comb" : "lane" };
  });
}

/**
 * A lane for each container that needs one, so that no two lanes of a gap have the same height in common.
 * @param {Seat[]} seats
 */
export function laid(seats) {
  /** @type {Map<Seat, number>} */
  const lanes = new Map();
  const spans = seats.flatMap((seat) => {
    const ys = seat.ways.filter(({ by }) => by === "lane").map(({ y }) => y);
    return ys.length ? [{ seat, from: Math.min(...ys, seat.spot.y), to: Math.max(...ys, seat.spot.y) }] : [];
  });
  for (const { seat, from, to } of spans) {
    const beside = spans.filter((other) => other.seat.column === seat.column && lanes.has(other.seat) && other.from <= to && other.to >= from);
    const used = new Set(beside.map((other) => lanes.get(other.seat)));
    let lane = 1;
    while (used.has(lane)) lane += 1;
    lanes.set(seat, lane);
  }
  return lanes;
}

/**
 * @param {Seat} seat
 * @param {number} y of the line
 * @param {Way["by"]} by
 * @param {Size} size
 * @param {number} x of the lane
 * @returns {Point[]}
 */
export function pointsOf({ spot }, y, by, size, x) {
  const [top, bottom, left] = [spot.y - spot.height / 2, spot.y + spot.height / 2, spot.x - spot.width / 2];
  if (by === "straight") return [{ x: spot.x, y }, { x: spot.x, y: y < top ? top : bottom }];
  const middle = top + size.chip[1] / 2;
  return [{ x, y }, { x, y: middle }, { x: left, y: middle }];
}
