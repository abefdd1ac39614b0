/** What is shown while the pointer is on a container in the picture. The list under Explore shows the same. */
import { byId, h } from "./dom.js";
import { addressOf, portsOf, words } from "./model.js";

/**
 * @param {import("cytoscape").NodeSingular} target
 * @param {import("./model.js").Model | null} model
 * @param {HTMLElement} frame
 */
export function showTip(target, model, frame) {
  const container = model?.containerOf.get(target.data("thing")?.id);
  if (!container) return;
  const tip = byId("hover");
  tip.replaceChildren(
    h("strong", {}, container.name), h("span", {}, words(container.state, container.image)),
    h("span", { class: "code" }, words(addressOf(container), portsOf(container))),
    ...container.endpoints.slice(0, 4).map((one) => h("span", {}, words(one.network.name, one.ipv4_address, one.veth))),
  );
  tip.hidden = false;
  const box = target.renderedBoundingBox({ includeLabels: false, includeOverlays: false });
  tip.style.left = `${Math.max(8, Math.min(box.x1, frame.clientWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${box.y2 + 8 + tip.offsetHeight > frame.clientHeight ? box.y1 - tip.offsetHeight - 8 : box.y2 + 8}px`;
}
