/**
 * The ways of lines between a container and the boxes of its further networks: along the gaps between boxes, not across
 * them. A way has at most three bends. It is the cheapest of all such ways along the boxes' sides.
 *
 * @typedef {{x: number, y: number}} Point
 * @typedef {{x: number, y: number, width: number, height: number}} Rect `x` and `y` are its centre
 */

/** What is added to a way's length in pixels: for a bend, for a box that it crosses, and for the title of a box. */
const [BEND, BOX, TITLE] = [30, 4000, 600];
/** Lines side by side in a gap: how many, and how far from each other. */
const [LANES, LANE] = [5, 5];

/** @param {Rect} rect */
const sides = ({ x, y, width, height }) => ({ left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 });

/**
 * Whether a horizontal or vertical segment crosses a rectangle.
 * @param {Point} a
 * @param {Point} b
 * @param {Rect} rect
 */
function crosses(a, b, rect) {
  const { left, right, top, bottom } = sides(rect);
  return Math.max(a.x, b.x) > left && Math.min(a.x, b.x) < right && Math.max(a.y, b.y) > top && Math.min(a.y, b.y) < bottom;
}

/** @param {Point[]} way of horizontal and vertical segments */
const lengthOf = (way) => way.reduce((sum, { x, y }, at) => {
  const before = way[at - 1];
  return before ? sum + Math.abs(x - before.x) + Math.abs(y - before.y) : 0;
}, 0);

/**
 * The points of a way until it meets the target's border.
 * @param {Point[]} way
 * @param {Rect} target
 */
function clipped(way, target) {
  const { left, right, top, bottom } = sides(target);
  const at = way.findIndex((point, index) => index > 0 && crosses(/** @type {Point} */ (way[index - 1]), point, target));
  const [from, to] = [way[at - 1], way[at]];
  if (!from || !to) return way;
  const end = from.x === to.x ? { x: to.x, y: from.y < to.y ? top : bottom } : { x: from.x < to.x ? left : right, y: to.y };
  return [...way.slice(0, at), end];
}

/**
 * @param {Point} from the centre of the container
 * @param {Rect} home its box
 * @param {Rect} target the box of its further network
 * @param {Rect[]} boxes all boxes
 * @param {{gap: number, head: number}} size the space between boxes, and the height of their titles
 * @param {number} lane numbers the lines, so that two in one gap are side by side
 * @returns {Point[]} from the container to the border of the target
 */
export function wayOf(from, home, target, boxes, { gap, head }, lane) {
  const shift = ((lane % LANES) - (LANES - 1) / 2) * LANE;
  const others = boxes.filter((box) => box !== home && box !== target);
  const title = { ...home, y: home.y - home.height / 2 + head / 2, height: head };
  const xs = boxes.flatMap((box) => [sides(box).left - gap / 2 + shift, sides(box).right + gap / 2 + shift]);
  const ys = boxes.flatMap((box) => [sides(box).top - gap / 2 + shift, sides(box).bottom + gap / 2 + shift]);
  const to = { x: target.x + shift * 4, y: target.y + shift * 2 };
  const corner = (/** @type {number} */ x, /** @type {number} */ y) => ({ x, y });
  /** @type {Point[][]} */
  const ways = [
    [from, corner(to.x, from.y), to], [from, corner(from.x, to.y), to],
    ...ys.map((y) => [from, corner(from.x, y), corner(to.x, y), to]), ...xs.map((x) => [from, corner(x, from.y), corner(x, to.y), to]),
    ...ys.flatMap((y) => xs.flatMap((x) => [[from, corner(from.x, y), corner(x, y), corner(x, to.y), to], [from, corner(x, from.y), corner(x, y), corner(to.x, y), to]])),
  ];
  /** @type {{cost: number, way: Point[]}} */
  let best = { cost: Infinity, way: [from, to] };
  for (const whole of ways) {
    // At most this much of a way is inside the target; most of the thousands of ways are longer than the best one so far.
    if (lengthOf(whole) - target.width - target.height > best.cost) continue;
    const way = clipped(whole, target);
    let cost = way.length * BEND;
    for (let at = 1; at < way.length && cost < best.cost; at += 1) {
      const [a, b] = /** @type {[Point, Point]} */ ([way[at - 1], way[at]]);
      cost += Math.abs(a.x - b.x) + Math.abs(a.y - b.y) + (crosses(a, b, title) ? TITLE : 0);
      for (const box of others) if (crosses(a, b, box)) cost += BOX;
    }
    if (cost < best.cost) best = { cost, way };
  }
  return best.way;
}

/**
 * The bends of a way as cytoscape wants them: how far along the straight line between the ends, and how far beside it.
 * @param {Point[]} way
 */
export function segments(way) {
  const [from, to] = /** @type {[Point, Point]} */ ([way[0], way.at(-1)]);
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const bends = way.slice(1, -1).map(({ x, y }) => ({ along: ((x - from.x) * dx + (y - from.y) * dy) / length ** 2, beside: ((y - from.y) * dx - (x - from.x) * dy) / length }));
  return { weights: bends.map(({ along }) => along), distances: bends.map(({ beside }) => beside), to };
}
