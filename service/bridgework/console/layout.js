/**
 * Where everything is drawn. Each network is a box with its containers in a grid; the boxes stand in rows; the host
 * lies below them all, as it does in truth. The same engine gives the same picture, so nothing jumps about.
 */
import { compare, HOST, isDrawn, NOWHERE } from "./model.js";

export const ROOMY_UP_TO = 40;
const SIZES = {
  roomy: { chip: [186, 48], gap: 24, pad: 18, head: 58, between: 40, foot: 24, least: 280, most: 186 },
  wired: { chip: [186, 66], gap: 24, pad: 18, head: 58, between: 40, foot: 24, least: 280, most: 186 },
  dense: { chip: [108, 25], gap: 5, pad: 11, head: 48, between: 18, foot: 0, least: 240, most: 170 },
};
const ASPECTS = [1.3, 0.8, 1, 1.7, 2.2];
const MOST_WIDENED = 0.6;

/** `{boxes, chips, width, height, roomy}`; positions are centres, as cytoscape wants them. */
export function place(model, view) {
  const roomy = model.containers.length <= ROOMY_UP_TO;
  const wired = model.containers.some((container) => container.endpoints.some((endpoint) => endpoint.veth));
  const size = roomy ? (wired ? SIZES.wired : SIZES.roomy) : SIZES.dense;
  const districts = districtsOf(model);
  const host = districts.find((one) => one.id === HOST);
  const tried = ASPECTS.map((aspect) => {
    const blocks = districts.filter((one) => one.id !== HOST).map((one) => measured(one, size, aspect));
    return best(blocks, host, size, view);
  });
  const arranged = tried.reduce((found, one) => (one.zoom > found.zoom * 1.02 ? one : found));
  const chips = [...arranged.blocks, arranged.host].flatMap((block) => gridded(block, size));
  const boxes = [...arranged.blocks, arranged.host].map(({ id, name, network, x, y, width, height }) => (
    { id, name, network, width, height, x: x + width / 2, y: y + height / 2 }));
  return { boxes, chips, width: arranged.width, height: arranged.height, roomy, size };
}

/** The boxes and what lies in them, by name. */
function districtsOf(model) {
  const boxes = model.networks.filter(isDrawn).map((network) => ({ id: network.id, name: network.name, network, inside: [] }));
  boxes.sort((a, b) => compare(a, b));
  boxes.push({ id: NOWHERE, name: "no network", inside: [] }, { id: HOST, name: "host", inside: [...model.interfaces] });
  const found = new Map(boxes.map((box) => [box.id, box]));
  for (const container of [...model.containers].sort(compare)) found.get(container.home).inside.push(container);
  return boxes.filter((box) => box.id !== NOWHERE || box.inside.length);
}

function measured(district, size, aspect) {
  const count = district.inside.length;
  const [width, height] = size.chip;
  const ideal = Math.sqrt((count * aspect * (height + size.gap)) / (width + size.gap));
  return withColumns(district, size, Math.max(Math.min(count, 2), Math.min(count, Math.round(ideal))));
}

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

/** Try row widths from the widest box to all in one row, and keep the one that is seen largest. */
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

/** Rows no wider than `limit`, each a list of columns; then every row is widened to the widest. */
function rowed(blocks, host, size, limit) {
  const waiting = [...blocks].sort((a, b) => b.height - a.height || compare(a, b));
  const rows = [];
  while (waiting.length) {
    const row = [];
    let x = 0;
    while (waiting.length && (x === 0 || x + waiting[0].width <= limit)) {
      row.push(column(waiting, row[0]?.[0].height ?? waiting[0].height, size));
      x += row.at(-1)[0].width + size.between;
    }
    rows.push({ row, width: x - size.between });
  }
  const width = Math.max(size.least, ...rows.map((one) => one.width));
  const done = [];
  let y = 0;
  for (const { row, width: own } of rows) {
    const extra = (width - own) / row.length;
    let x = 0;
    for (const stack of row) {
      const wide = stack[0].width + (row.length > 1 ? Math.min(extra, stack[0].width * MOST_WIDENED) : extra);
      done.push(...stack.map((block) => ({ ...block, x, y: y + block.below, width: wide })));
      x += wide + size.between;
    }
    y += row[0][0].height + size.between;
  }
  const ground = grounded(host, size, width);
  return { blocks: done, host: { ...ground, x: 0, y }, width, height: y + ground.height };
}

/** The next box, and below it those that still fit the row's height and its width. */
function column(waiting, rowHeight, size) {
  const first = waiting.shift();
  const stack = [{ ...first, below: 0 }];
  let below = first.height + size.between;
  for (let at = 0; at < waiting.length; ) {
    if (below + waiting[at].height <= rowHeight && waiting[at].width <= first.width) {
      const [next] = waiting.splice(at, 1);
      stack.push({ ...next, below });
      below += next.height + size.between;
    } else at += 1;
  }
  return stack;
}

/** The host, as wide as everything above it. */
function grounded(host, size, width) {
  const fitting = Math.max(1, Math.floor((width - 2 * size.pad + size.gap) / (size.chip[0] + size.gap)));
  return { ...withColumns(host, size, Math.min(fitting, Math.max(1, host.inside.length))), width };
}

function gridded(block, size) {
  const inner = block.width - 2 * size.pad + size.gap;
  const width = Math.min(size.most, inner / block.columns - size.gap);
  const height = size.chip[1];
  return block.inside.map((item, index) => ({
    item,
    width,
    height,
    x: block.x + size.pad + (index % block.columns) * (width + size.gap) + width / 2,
    y: block.y + size.head + Math.floor(index / block.columns) * (height + size.gap) + height / 2,
  }));
}
