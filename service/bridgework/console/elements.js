/**
 * From a model and its layout to cytoscape's elements. Every text is a node of its own, so that it can be placed, and so
 * is every piece of a wire.
 *
 * @import { Group } from "./groups.js"
 * @import { Box, Bus, Chip, Layout } from "./layout.js"
 * @import { Container, Model, Thing } from "./model.js"
 * @import { Wire } from "./wires.js"
 * @typedef {{x: number, y: number}} Point
 * @typedef {{data: {id: string, thing?: Thing | null, [name: string]: unknown}, classes: string, position?: Point}} Element
 */
import { plural, printable } from "./dom.js";
import { addressOf, caption, HOST, isDrawn, NOWHERE, portsOf, words } from "./model.js";
import { isTitled } from "./shelves.js";

/** A chip that is higher has a line for the veth. */
const WITHOUT_VETH = 50;
const pen = document.createElement("canvas").getContext("2d");
const LINE = 3;
const DOT = 7;

/**
 * @param {Model} model
 * @param {Layout} layout
 * @returns {Element[]}
 */
export function elementsOf(model, layout) {
  const elements = [
    ...layout.boxes.flatMap((box) => boxElements(box, model)),
    ...layout.lines.flatMap((line) => lineElements(line, layout.roomy, model)),
    ...layout.chips.flatMap((chip) => chipElements(chip, layout.roomy, model)),
    ...layout.wires.flatMap(wireElements),
  ];
  for (const { data } of elements) if (typeof data.label === "string") data.label = printable(data.label);
  return elements;
}

/**
 * @param {Box} box
 * @param {Model} model
 * @returns {Element[]}
 */
function boxElements({ id, group, x, y, width, height }, model) {
  const [left, top] = [x - width / 2 + 12, y - height / 2];
  const kind = [HOST, NOWHERE].includes(id) ? id : group.project ? "project" : "networks";
  const thing = group.project ? { id, kind: "project" } : id === HOST ? { id: HOST, kind: "host" } : null;
  /** @type {Element[]} */
  const elements = [{ data: { id: `box:${id}`, width, height, thing }, classes: `box ${kind}${group.folded ? " folded" : ""}`, position: { x, y } }];
  if (!isTitled(group)) return elements;
  const sign = group.project ? (group.folded ? "▸ " : "▾ ") : "";
  elements.push({ data: { id: `title:${id}`, label: `${sign}${group.name}`, room: width - 24, thing }, classes: "title", position: { x: left, y: top + 18 } });
  if (group.folded) elements.push({ data: { id: `under:${id}`, label: contents(group, model), room: width - 44, thing }, classes: "under", position: { x: left + 14, y: top + 37 } });
  return elements;
}

/**
 * What a folded project holds: `7 of 8 containers run · 3 networks`.
 * @param {Group} group
 * @param {Model} model
 */
function contents({ inside, lines }, model) {
  const running = inside.filter((one) => one.running).length;
  const names = new Set(lines.map(({ id }) => id));
  const guests = model.containers.filter((one) => !inside.includes(one) && one.endpoints.some(({ network }) => names.has(network.id)));
  const away = inside.flatMap(({ endpoints }) => endpoints.flatMap(({ network }) => (isDrawn(network) && !names.has(network.id) ? [network.name] : [])));
  return words(running < inside.length ? `${running} of ${plural(inside.length, "container")} run` : plural(inside.length, "container"), plural(lines.length, "network"),
    away.length && `↗${[...new Set(away)].sort().join(",")}`, guests.length && `with ${guests.map(({ name }) => name).join(", ")}`);
}

/**
 * @param {Bus} line
 * @param {boolean} roomy
 * @param {Model} model
 * @returns {Element[]}
 */
function lineElements({ id, name, network, x, y, width }, roomy, model) {
  const thing = { id, kind: network ? "network" : "host" };
  const left = x - width / 2;
  const under = network ? words(caption(network), !network.members.length && "empty") : words("network of this machine", "routes", "published ports", model.partial && "links not read");
  const named = Math.min(width * 0.75, widthOf(name, roomy) + 14);
  const gone = network?.gone ? " gone" : network ? "" : " host";
  return [
    { data: { id: `line:${id}`, width, height: LINE, thing }, classes: `line${gone}`, position: { x, y } },
    { data: { id: `title:line:${id}`, label: name, room: width - 8, thing }, classes: `line-name${gone}`, position: { x: left + 4, y: y - (roomy ? 12 : 11) } },
    { data: { id: `under:line:${id}`, label: under, room: Math.max(20, width - named - 4), thing }, classes: `under${gone}`, position: { x: left + named, y: y - (roomy ? 12 : 11) } },
    ...(network?.bridge_name ? [{ data: { id: `gateway:${id}`, thing }, classes: "gateway", position: { x: left + width, y } }] : []),
  ];
}

/** The width of a line's name. @param {string} name @param {boolean} roomy */
function widthOf(name, roomy) {
  if (!pen) return 0;
  pen.font = `600 ${roomy ? 13 : 12}px system-ui, sans-serif`;
  return pen.measureText(printable(name)).width;
}

/** @param {Container} container */
export const stateOf = (container) => (container.state === "paused" ? "paused" : container.running ? "running" : "stopped");

/**
 * Why a container has no address of its own.
 * @param {Container} container
 * @param {Model} model
 */
function modeOf({ hostMode, sharesWith }, model) {
  if (hostMode) return "host mode";
  return sharesWith === null ? "no address" : `network of ${model.known(sharesWith)?.name ?? "a container that is gone"}`;
}

/**
 * A container, a folded project on a line of others, or an interface of the host.
 * @param {Chip} chip
 * @param {boolean} roomy
 * @param {Model} model
 * @returns {Element[]}
 */
function chipElements({ id, item, cell, sharer, x, y, width, height }, roomy, model) {
  const container = item.kind === "container" ? item : null;
  const thing = item.kind === "interface" ? null : { id: item.id, kind: item.kind };
  const state = container ? stateOf(container) : item.kind;
  const tall = roomy && !sharer;
  const left = x - width / 2 + (roomy ? 14 : 11);
  const top = y - (height > WITHOUT_VETH ? 8 : 0);
  const room = width - (roomy ? 22 : 16);
  const kind = `${item.kind} ${state}${cell.again ? " again" : ""}${sharer ? ` sharer ${container?.shareState ?? ""}` : ""}`;
  const sign = cell.again ? "↗ " : sharer ? "⤷ " : "";
  /** @type {Element[]} */
  const elements = [
    { data: { id, width, height, thing }, classes: `chip ${kind}`, position: { x, y } },
    { data: { id: `name:${id}`, label: `${sign}${item.name}`, room, thing }, classes: `name sub ${state}${cell.again ? " again" : ""}`, position: { x: left, y: tall ? top - 8 : y } },
  ];
  if (tall) elements.push({ data: { id: `sub:${id}`, label: underName(cell, model), room, thing }, classes: "address sub", position: { x: left, y: top + 8 } });
  const wires = (container?.endpoints ?? []).filter((one) => one.veth).sort((one) => (one.network.id === container?.home ? -1 : 1));
  const [wire] = wires;
  if (height > WITHOUT_VETH && wire) {
    const label = `${wire.interface} ↔ ${wire.veth}${wires.length > 1 ? ` +${wires.length - 1}` : ""}`;
    elements.push({ data: { id: `veth:${id}`, label, room, thing }, classes: "address sub veth", position: { x: left, y: top + 24 } });
  }
  return elements;
}

/**
 * The second line of a chip.
 * @param {Chip["cell"]} cell
 * @param {Model} model
 */
function underName({ item, on, away, again }, model) {
  if (item.kind === "project") return "folded project";
  if (item.kind === "interface") return words(...(item.addresses ?? []));
  if (!item.running) return words(item.state, portsOf(item));
  if (again) return item.endpoints.filter(({ network }) => on.includes(network.id)).map((one) => one.ipv4_address ?? one.ipv6_address ?? "").join(" · ");
  return [addressOf(item) || modeOf(item, model), away.length ? `↗${away.join(",")}` : "", portsOf(item)].filter(Boolean).join(" ");
}

/**
 * The pieces of a wire, and a dot where it is on its line. A piece knows its container and its network.
 * @param {Wire} wire
 * @returns {Element[]}
 */
function wireElements({ cell, network, points }) {
  const id = `${cell.id}>${network}`;
  const [first] = /** @type {[Point]} */ (points);
  const address = cell.item.kind === "container" ? cell.item.endpoints.find((one) => one.network.id === network)?.ipv4_address : null;
  const ends = { of: cell.item.id, on: network };
  const pieces = points.slice(1).map((to, at) => {
    const from = /** @type {Point} */ (points[at]);
    const [width, height] = [Math.abs(from.x - to.x), Math.abs(from.y - to.y)];
    return { data: { id: `${id}:${at}`, width: Math.max(width, 1.5), height: Math.max(height, 1.5), ...ends }, classes: "wire", position: { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 } };
  });
  return [...pieces, { data: { id: `${id}:dot`, width: DOT, height: DOT, label: address ?? "", ...ends }, classes: "dot", position: { x: first.x, y: first.y } }];
}
