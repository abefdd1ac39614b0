/**
 * The boxes' measures, and where the grid of a box has its containers.
 *
 * @import { Block, Chip, District, Placed, Size } from "./layout.js"
 */

/**
 * @param {District} district
 * @param {Size} size
 * @param {number} aspect width by height of the grid that is wanted
 */
export function measured(district, size, aspect) {
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
  return {
    ...district,
    columns,
    slots: district.inside.map(({ id }) => id),
    width: Math.max(size.least, columns * (size.chip[0] + size.gap) - size.gap + 2 * size.pad),
    height: heightOf(district.inside.length, columns, size),
  };
}

/**
 * The height of a box with so many slots.
 * @param {number} slots
 * @param {number} columns
 * @param {Size} size
 */
export function heightOf(slots, columns, size) {
  const rows = Math.ceil(slots / Math.max(1, columns));
  return size.head + (rows ? rows * (size.chip[1] + size.gap) - size.gap + size.foot : 0) + size.pad;
}

/**
 * The host, as wide as everything above it.
 * @param {District} host
 * @param {Size} size
 * @param {number} width
 */
export function grounded(host, size, width) {
  return { ...withColumns(host, size, Math.min(fitting(width, size), Math.max(1, host.inside.length))), width };
}

/**
 * @param {Placed} block
 * @param {Size} size
 * @returns {Chip[]}
 */
export function gridded(block, size) {
  const inner = block.width - 2 * size.pad + size.gap;
  const width = Math.min(size.most, inner / block.columns - size.gap);
  const [, height] = size.chip;
  return block.inside.map((item) => ({ item, index: block.slots.indexOf(item.id) })).map(({ item, index }) => ({
    item,
    width,
    height,
    x: block.x + size.pad + (index % block.columns) * (width + size.gap) + width / 2,
    y: block.y + size.head + Math.floor(index / block.columns) * (height + size.gap) + height / 2,
  }));
}

/**
 * How many columns a box has room for; a box that was empty has none yet.
 * @param {number} width
 * @param {Size} size
 */
export const fitting = (width, size) => Math.max(1, Math.floor((width - 2 * size.pad + size.gap) / (size.chip[0] + size.gap)));
