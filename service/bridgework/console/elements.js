/** From a model and its layout to cytoscape's elements. Every text is a node of its own, so that it can be placed. */
import { plural } from "./dom.js";
import { addressOf, caption, HOST, isDrawn, NOWHERE, portsOf, words } from "./model.js";

export function elementsOf(model, layout) {
  const placed = new Map(layout.chips.map((chip) => [chip.item.id, chip]));
  const boxes = new Map(layout.boxes.map((box) => [box.id, box]));
  return [
    ...layout.boxes.flatMap((box) => boxElements(box, model)),
    ...layout.chips.flatMap((chip) => chipElements(chip, layout.roomy)),
    ...model.containers.flatMap((container) => ties(container, placed, boxes)),
    ...layout.boxes.filter((box) => box.network?.bridge_name).map((box) => grounding(box, boxes.get(HOST))),
  ];
}

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

function underTitle(box, model) {
  if (box.id === HOST) return words("routes", "published ports", model.interfaces.length && plural(model.interfaces.length, "link"));
  if (box.id === NOWHERE) return "only a loopback inside";
  return words(caption(box.network), !box.network.members.length && "empty");
}

function chipElements(chip, roomy) {
  const { item, x, y, width, height } = chip;
  const container = item.kind === "container";
  const thing = container ? { id: item.id, kind: "container" } : null;
  const state = container ? (item.state === "paused" ? "paused" : item.running ? "running" : "stopped") : "interface";
  const left = x - width / 2 + (roomy ? 14 : 11);
  const lines = [-8, 10].map((offset) => y + offset - (height > 60 ? 9 : 0));
  const wires = container ? item.endpoints.filter((one) => one.veth).sort((one) => (one.network.id === item.home ? -1 : 1)) : [];
  const room = width - (roomy ? 22 : 16);
  const under = container ? words(item.running ? addressOf(item) : item.state, portsOf(item)) : words(...(item.addresses ?? []));
  return [
    { data: { id: item.id, width, height, thing }, classes: `chip ${item.kind} ${state}`, position: { x, y } },
    { data: { id: `name:${item.id}`, label: item.name, room, thing }, classes: `name sub ${state}`, position: { x: left, y: roomy ? lines[0] : y } },
    roomy && { data: { id: `sub:${item.id}`, label: under || "no address", room, thing }, classes: "address sub", position: { x: left, y: lines[1] } },
    roomy && wires.length > 0 && { data: { id: `veth:${item.id}`, label: `${wires[0].interface} ↔ ${wires[0].veth}${wires.length > 1 ? ` +${wires.length - 1}` : ""}`, room, thing }, classes: "address sub veth", position: { x: left, y: lines[1] + 17 } },
  ].filter(Boolean);
}

/** Lines from a container to the networks it is in besides its home, and to the one whose network it shares. */
function ties(container, placed, boxes) {
  if (!placed.has(container.id)) return [];
  const others = container.endpoints.filter((one) => isDrawn(one.network) && one.network.id !== container.home && boxes.has(one.network.id));
  const lines = others.map((one) => ({
    data: { id: `${container.id}>${one.network.id}`, source: container.id, target: `box:${one.network.id}`, label: one.ipv4_address ?? "" },
    classes: "link",
  }));
  if (placed.has(container.sharesWith)) {
    lines.push({
      data: { id: `${container.id}=${container.sharesWith}`, source: container.id, target: container.sharesWith, label: container.shareState === "stale" ? "cut off" : "shares" },
      classes: `share ${container.shareState}`,
    });
  }
  return lines;
}

/** Straight down from a bridge network to the host. */
function grounding(box, host) {
  return {
    data: { id: `ground:${box.id}`, source: `box:${box.id}`, target: `box:${HOST}`, at: `${box.x - host.x}px ${-host.height / 2}px` },
    classes: "ground",
  };
}

/** An arrow's ends and bow: below two neighbours of a row, beside what stands one above the other. */
export function bowed(source, target) {
  const [from, to] = [source.position(), target.position()];
  const level = Math.abs(from.y - to.y) < source.height();
  const bow = level ? 54 * Math.sign(to.x - from.x || 1) : 40;
  return { source: source.id(), target: target.id(), bow, end: level ? "0 50%" : "outside-to-node" };
}
