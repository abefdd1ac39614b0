/**
 * An arrangement after a change, in which everything that was there stays where it was: a container that comes takes a
 * free place below its line, a shelf that is full grows downwards, and a new line comes below the others of its group. What
 * goes leaves its place empty.
 *
 * @import { Group } from "./groups.js"
 * @import { Arrangement, Corner } from "./layout.js"
 * @import { Block, Shelf } from "./shelves.js"
 */
import { HOST } from "./model.js";
import { arranged, fill, shelfOf } from "./shelves.js";

/**
 * @param {Arrangement} before
 * @param {Group[]} groups
 * @param {Group} host
 * @returns {Arrangement}
 */
export function changed(before, groups, host) {
  /** @type {Map<string, Corner | undefined>} */
  const corners = new Map([[HOST, copied(before, HOST)]]);
  const refolded = groups.some((group) => before.blocks.some((block) => block.group.id === group.id && block.group.folded !== group.folded));
  const known = groups.map((group) => {
    const old = before.blocks.find((block) => block.group.id === group.id);
    if (!old) return null;
    corners.set(group.id, copied(before, group.id));
    return { at: before.blocks.indexOf(old), block: refilled(old, group) };
  });
  const kept = known.filter((one) => one !== null).sort((a, b) => a.at - b.at).map(({ block }) => block);
  const fresh = groups.filter((_, at) => known[at] === null).map((group) => arranged(group, before.cells));
  // A project that folds or unfolds moves what is below it in its column, so that no room is left empty.
  if (refolded) for (const corner of corners.values()) if (corner) corner.y = 0;
  return { ...before, corners, blocks: [...kept, ...fresh], host: refilled(before.host, host) };
}

/** @param {Arrangement} arrangement @param {string} id @returns {Corner | undefined} */
const copied = ({ corners }, id) => {
  const corner = corners.get(id);
  return corner && { ...corner };
};

/**
 * The shelves after a change: what is gone leaves an empty slot, and what is new takes a free one.
 * @param {Block} before
 * @param {Group} group
 * @returns {Block}
 */
function refilled(before, group) {
  const { columns } = before;
  if (before.group.folded !== group.folded || !group.lines.length !== !before.group.lines.length) return arranged(group, columns);
  const lines = new Set(group.lines.map(({ id }) => id));
  /** @type {Shelf[]} */
  const shelves = before.shelves.map((shelf) => ({ ...shelf, slots: [...shelf.slots] }));
  for (const { line } of shelves) lines.delete(line ?? "");
  for (const line of lines) shelves.push({ line, slots: [] });
  const order = shelves.map(({ line }) => line ?? "");
  const left = new Map(group.cells.map((cell) => [cell.id, cell]));
  for (const shelf of shelves) {
    shelf.slots = shelf.slots.map((id) => {
      const cell = left.get(id ?? "");
      const stays = cell && (shelf.line === null || cell.on.includes(shelf.line)) && left.delete(cell.id);
      return stays ? cell.id : null;
    });
  }
  for (const [at, shelf] of shelves.entries()) {
    const news = [...left.values()].filter((cell) => shelfOf(cell, order) === at);
    while (shelf.slots.filter((id) => id === null).length < news.length) shelf.slots.push(...Array.from({ length: columns }, () => null));
    fill(shelf.slots, news);
  }
  return { ...before, group, shelves };
}
