/**
 * The arrows of the picture: a check, or what a plan would change.
 *
 * @import { NodeSingular } from "cytoscape"
 * @import { Change } from "./plan.js"
 */

/** How far an arrow goes below two things of one row, and beside two things of one column or of two. */
const [BELOW, BESIDE, BETWEEN] = [54, 50, 40];

/**
 * One arrow with two heads for two changes in opposite directions.
 * @param {Change[]} changes
 * @returns {(Change & {both: boolean})[]}
 */
export function paired(changes) {
  const opposite = (/** @type {Change} */ one) => changes.findIndex((other) => (
    other.source === one.target && other.target === one.source && other.becomes === one.becomes && other.label === one.label));
  return changes.flatMap((one, at) => {
    const other = opposite(one);
    return other >= 0 && other < at ? [] : [{ ...one, both: other >= 0 }];
  });
}

/**
 * An arrow's ends and bow. Between two things of one column it goes along their right sides, so that the name of a line
 * between them can be read.
 * @param {NodeSingular} source
 * @param {NodeSingular} target
 */
export function bowed(source, target) {
  const [from, to] = [source.position(), target.position()];
  const ends = { source: source.id(), target: target.id() };
  if (Math.abs(from.y - to.y) < source.height()) return { ...ends, bow: BELOW * Math.sign(to.x - from.x || 1), end: "0 50%" };
  if (Math.abs(from.x - to.x) < source.width() / 2) return { ...ends, bow: (source.width() / 2 + BESIDE) * Math.sign(from.y - to.y), end: "50% 0" };
  return { ...ends, bow: BETWEEN, end: "outside-to-node" };
}
