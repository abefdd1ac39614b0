/**
 * From a model and its layout to cytoscape's elements. Every text is a node of its own, so that it can be placed.
 *
 * @import { NodeSingular } from "cytoscape"
 * @import { Box, Chip, Layout } from "./layout.js"
 * @import { Container, Model, Thing } from "./model.js"
 * @typedef {{x: number, y: number}} Point
 * @typedef {{data: {id: string, thing?: Thing | null, [name: string]: unknown}, classes: string, position?: Point}} Element
 */
import { plural } from "./dom.js";
import { addressOf, caption, HOST, isDrawn, NOWHERE, portsOf, words } from "./model.js";

/**
 * @param {Model} model
 * @param {Layout} layout
 * @returns {Element[]}
 */
export function elementsOf(model, layout) {
  const placed = new Set(layout.chips.map((chip) => chip.item.id));
  const boxes = new Map(layout.boxes.map((box) => [box.id, box]));
  const host = boxes.get(HOST);
  return [
    ...layout.boxes.flatMap((box) => boxElements(box, model)),
    ...layout.chips.flatMap((chip) => chipElements(chip, layout.roomy)),
    ...model.containers.flatMap((container) => ties(container, placed, boxes)),
    ...layout.boxes.flatMap((box) => (host && box.network?.bridge_name ? [grounding(box, host)] : [])),
  ];
}

/**
 * @param {Box} box
 * @param {Model} model
 * @returns {Element[]}
 */
function boxElements(box, model) {
  const left = box.x - box.width / 2 + 14;
  const top = box.y - box.height / 2;
  const thing = box.network ? { id: box.id, kind: "network" } : box.id === HOST ? { id: HOST, kind: "host" } : null;
  const kind = [HOST, NOWHERE].includes(box.id) ? box.id : "network";
  return [
    { data: { id: `box:${box.id}`, width: box.width, height: box.height, thing }, classes: `box ${kind}${box.network?.gone ? " gone" : ""}`, position: { x: box.x, y: box.y } },
    { data: { id: `title:${box.id}`, label: box.name, room: box.width - 28, thing }, classes: "title", position: { x: left, y: top + 19 } },
    { data: { id: `under:${box.id}`, label: underTitle(box, model), room: box.width - 28, thing }, classes: "under", position: { x: left, y: top + 37 } },
  ];
}

/**
 * @param {Box} box
 * @param {Model} model
 */
function underTitle(box, model) {
  if (box.id === HOST) return words("routes", "published ports", model.interfaces.length && plural(model.interfaces.length, "link"));
  if (!box.network) return "these have only a loopback interface";
  return words(caption(box.network), !box.network.members.length && "empty");
}

/** @param {Container} container */
export const stateOf = (container) => (container.state === "paused" ? "paused" : container.running ? "running" : "stopped");

/**
 * A container, or an interface of the host.
 * @param {Chip} chip
 * @param {boolean} roomy
 * @returns {Element[]}
 */
function chipElements({ item, x, y, width, height }, roomy) {
  const container = item.kind === "container" ? item : null;
  const thing = container && { id: item.id, kind: "container" };
  const state = container ? stateOf(container) : "interface";
  const left = x - width / 2 + (roomy ? 14 : 11);
  const top = y - (height > 60 ? 9 : 0);
  const room = width - (roomy ? 22 : 16);
  const under = item.kind === "container" ? words(item.running ? addressOf(item) : item.state, portsOf(item)) : words(...(item.addresses ?? []));
  const wires = (container?.endpoints ?? []).filter((one) => one.veth).sort((one) => (one.network.id === container?.home ? -1 : 1));
  const [wire] = wires;
  /** @type {Element[]} */
  const elements = [
    { data: { id: item.id, width, height, thing }, classes: `chip ${item.kind} ${state}`, position: { x, y } },
    { data: { id: `name:${item.id}`, label: item.name, room, thing }, classes: `name sub ${state}`, position: { x: left, y: roomy ? top - 8 : y } },
  ];
  if (roomy) {
    elements.push({ data: { id: `sub:${item.id}`, label: under || "no address", room, thing }, classes: "address sub", position: { x: left, y: top + 10 } });
  }
  if (roomy && wire) {
    const label = `${wire.interface} ↔ ${wire.veth}${wires.length > 1 ? ` +${wires.length - 1}` : ""}`;
    elements.push({ data: { id: `veth:${item.id}`, label, room, thing }, classes: "address sub veth", position: { x: left, y: top + 27 } });
  }
  return elements;
}

/**
 * Lines from a container to its networks other than its home, and to the container whose network it shares.
 * @param {Container} container
 * @param {Set<string>} placed
 * @param {Map<string, Box>} boxes
 * @returns {Element[]}
 */
function ties(container, placed, boxes) {
  if (!placed.has(container.id)) return [];
  const others = container.endpoints.filter((one) => isDrawn(one.network) && one.network.id !== container.home && boxes.has(one.network.id));
  const lines = others.map((one) => ({
    data: { id: `${container.id}>${one.network.id}`, source: container.id, target: `box:${one.network.id}`, label: one.ipv4_address ?? "" },
    classes: "link",
  }));
  if (container.sharesWith !== null && placed.has(container.sharesWith)) {
    lines.push({
      data: { id: `${container.id}=${container.sharesWith}`, source: container.id, target: container.sharesWith, label: container.shareState === "stale" ? "cut off" : "shares" },
      classes: `share ${container.shareState}`,
    });
  }
  return lines;
}

/**
 * A line straight down from a bridge network to the host.
 * @param {Box} box
 * @param {Box} host
 * @returns {Element}
 */
function grounding(box, host) {
  return {
    data: { id: `ground:${box.id}`, source: `box:${box.id}`, target: `box:${HOST}`, at: `${box.x - host.x}px ${-host.height / 2}px` },
    classes: "ground",
  };
}

/**
 * An arrow's ends and bow: the bow is below two things of one row, and beside two things above each other.
 * @param {NodeSingular} source
 * @param {NodeSingular} target
 */
export function bowed(source, target) {
  const [from, to] = [source.position(), target.position()];
  const level = Math.abs(from.y - to.y) < source.height();
  const bow = level ? 54 * Math.sign(to.x - from.x || 1) : 40;
  return { source: source.id(), target: target.id(), bow, end: level ? "0 50%" : "outside-to-node" };
}
