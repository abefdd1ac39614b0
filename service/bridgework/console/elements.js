/**
 * From a model and its layout to cytoscape's elements. Every text is a node of its own, so that it can be placed.
 *
 * @import { NodeSingular } from "cytoscape"
 * @import { Box, Chip, Layout } from "./layout.js"
 * @import { Container, Model, Thing } from "./model.js"
 * @typedef {{x: number, y: number}} Point
 * @typedef {{data: {id: string, thing?: Thing | null, [name: string]: unknown}, classes: string, position?: Point}} Element
 */
import { plural, printable } from "./dom.js";
import { addressOf, caption, HOST, isDrawn, NOWHERE, portsOf, words } from "./model.js";
import { segments, wayOf } from "./routes.js";

/** A chip that is higher has a line for the veth. */
const WITHOUT_VETH = 50;

/**
 * @param {Model} model
 * @param {Layout} layout
 * @returns {Element[]}
 */
export function elementsOf(model, layout) {
  const placed = new Set(layout.chips.map((chip) => chip.item.id));
  const boxes = new Map(layout.boxes.map((box) => [box.id, box]));
  const host = boxes.get(HOST);
  const elements = [
    ...layout.boxes.flatMap((box) => boxElements(box, model)),
    ...layout.chips.flatMap((chip) => chipElements(chip, layout.roomy, model)),
    ...links(model, layout, boxes),
    ...model.containers.flatMap((container) => shares(container, placed)),
    ...layout.boxes.flatMap((box) => (host && box.network?.bridge_name ? [grounding(box, host)] : [])),
  ];
  for (const { data } of elements) if (typeof data.label === "string") data.label = printable(data.label);
  return elements;
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
  if (box.id === HOST) return words("routes", "published ports", model.partial ? "links not read" : model.interfaces.length && plural(model.interfaces.length, "link"));
  if (!box.network) return "these have only a loopback interface";
  return words(caption(box.network), !box.network.members.length && "empty");
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
 * A container, or an interface of the host.
 * @param {Chip} chip
 * @param {boolean} roomy
 * @param {Model} model
 * @returns {Element[]}
 */
function chipElements({ item, x, y, width, height }, roomy, model) {
  const container = item.kind === "container" ? item : null;
  const thing = container && { id: item.id, kind: "container" };
  const state = container ? stateOf(container) : "interface";
  const left = x - width / 2 + (roomy ? 14 : 11);
  const top = y - (height > WITHOUT_VETH ? 8 : 0);
  const room = width - (roomy ? 22 : 16);
  const under = item.kind === "container" ? words(item.running ? addressOf(item) || modeOf(item, model) : item.state, portsOf(item)) : words(...(item.addresses ?? []));
  const wires = (container?.endpoints ?? []).filter((one) => one.veth).sort((one) => (one.network.id === container?.home ? -1 : 1));
  const [wire] = wires;
  /** @type {Element[]} */
  const elements = [
    { data: { id: item.id, width, height, thing }, classes: `chip ${item.kind} ${state}`, position: { x, y } },
    { data: { id: `name:${item.id}`, label: item.name, room, thing }, classes: `name sub ${state}`, position: { x: left, y: roomy ? top - 9 : y } },
  ];
  if (roomy) {
    elements.push({ data: { id: `sub:${item.id}`, label: under, room, thing }, classes: "address sub", position: { x: left, y: top + 8 } });
  }
  if (height > WITHOUT_VETH && wire) {
    const label = `${wire.interface} ↔ ${wire.veth}${wires.length > 1 ? ` +${wires.length - 1}` : ""}`;
    elements.push({ data: { id: `veth:${item.id}`, label, room, thing }, classes: "address sub veth", position: { x: left, y: top + 24 } });
  }
  return elements;
}

/**
 * Lines from each container to its networks other than its home, around the boxes between.
 * @param {Model} model
 * @param {Layout} layout
 * @param {Map<string, Box>} boxes
 * @returns {Element[]}
 */
function links({ containers }, { chips, boxes: all, size }, boxes) {
  const chipOf = new Map(chips.map((chip) => [chip.item.id, chip]));
  const room = { gap: size.between, head: size.head };
  let lane = 0;
  return containers.flatMap((container) => {
    const [chip, home] = [chipOf.get(container.id), boxes.get(container.home)];
    return container.endpoints.flatMap(({ network, ipv4_address: label }) => {
      const target = boxes.get(network.id);
      if (!chip || !home || !target || target === home || !isDrawn(network)) return [];
      const { weights, distances, to } = segments(wayOf({ x: chip.x, y: chip.y }, home, target, all, room, lane));
      lane += 1;
      const end = `${to.x - target.x}px ${to.y - target.y}px`;
      return [{
        data: { id: `${container.id}>${network.id}`, source: container.id, target: `box:${network.id}`, label: label ?? "", weights, distances, end },
        classes: weights.length ? "link bent" : "link",
      }];
    });
  });
}

/**
 * A line to the container whose network a container shares.
 * @param {Container} container
 * @param {Set<string>} placed
 * @returns {Element[]}
 */
function shares({ id, sharesWith, shareState }, placed) {
  if (sharesWith === null || !placed.has(id) || !placed.has(sharesWith)) return [];
  const label = shareState === "stale" ? "cut off" : "";
  return [{ data: { id: `${id}=${sharesWith}`, source: id, target: sharesWith, label }, classes: `share ${shareState}` }];
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
