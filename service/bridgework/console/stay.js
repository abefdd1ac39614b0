/**
 * An arrangement after a change, in which everything that was there stays where it was: a container that comes takes a
 * free place of its box, a box that is full grows downwards, and a new box comes above the host.
 *
 * @import { Arrangement, District, Placed, Size } from "./layout.js"
 */
import { fitting, heightOf, measured } from "./blocks.js";

/** Width by height of a new box's grid. */
const ASPECT = 1.3;

/**
 * @param {Arrangement} before
 * @param {District[]} districts the last one is the host
 * @param {Size} size
 * @returns {Arrangement}
 */
export function changed(before, districts, size) {
  const known = new Map([...before.blocks, before.host].map((block) => [block.id, block]));
  const stayed = districts.flatMap((district) => {
    const old = known.get(district.id);
    return old ? [{ ...old, ...district, columns: old.columns || fitting(old.width, size), slots: refilled(old.slots, district) }] : [];
  });
  const grown = stayed.map((block) => ({ block, by: Math.max(0, heightOf(block.slots.length, block.columns, size) - block.height) })).filter(({ by }) => by);
  for (const { block, by } of grown) {
    pushed(stayed, block.y + block.height, by);
    block.height += by;
  }
  const host = /** @type {Placed} */ (stayed.pop());
  const news = districts.filter((district) => !known.has(district.id)).map((district) => measured(district, size, ASPECT));
  let [x, row] = [0, 0];
  for (const block of news) {
    if (x > 0 && x + block.width > before.width) {
      pushed([host], host.y, row + size.between);
      [x, row] = [0, 0];
    }
    stayed.push({ ...block, x, y: host.y });
    x += block.width + size.between;
    row = Math.max(row, block.height);
  }
  if (row) pushed([host], host.y, row + size.between);
  const width = Math.max(before.width, ...stayed.map((block) => block.x + block.width));
  return { blocks: stayed, host: { ...host, width }, width, height: host.y + host.height };
}

/**
 * The slots of a grid: what is gone leaves an empty one, and what is new takes the first empty one.
 * @param {(string | null)[]} slots
 * @param {District} district
 */
function refilled(slots, { inside }) {
  const left = new Set(inside.map(({ id }) => id));
  const kept = slots.map((id) => (id !== null && left.delete(id) ? id : null));
  for (const id of left) {
    const free = kept.indexOf(null);
    if (free < 0) kept.push(id);
    else kept[free] = id;
  }
  return kept;
}

/**
 * Move down what begins at `from` or below.
 * @param {Placed[]} blocks
 * @param {number} from
 * @param {number} by
 */
function pushed(blocks, from, by) {
  for (const block of blocks) if (block.y >= from) block.y += by;
}
