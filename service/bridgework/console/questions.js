/**
 * The buttons of a container, an endpoint and a network that ask "What if?". Each hands over the change to be planned.
 *
 * @import { Model } from "./model.js"
 * @typedef {(changes: Api["Call"][]) => void} Plan
 */
import { CHANGES } from "./changes.js";
import { h } from "./dom.js";
import { compare, isDrawn } from "./model.js";

/**
 * @param {string} kind of change
 * @param {string} network
 * @param {string} container
 */
function change(kind, network, container) {
  const make = CHANGES[kind];
  return make ? [make(network, container)] : [];
}

/**
 * @param {string} title
 * @param {string[]} names
 * @param {(name: string) => void} choose
 */
function chooser(title, names, choose) {
  const select = h("select", {}, names.map((name) => h("option", {}, name)));
  return h("span", { class: "row" }, h("label", {}, `${title} `, select), h("button", { type: "button", "aria-label": `What if it is ${title} this one?`, onclick: () => choose(select.value) }, "?"));
}

/**
 * @param {Api["Container"]} one
 * @param {Model} model
 * @param {Plan} plan
 */
export function containerQuestions(one, model, plan) {
  const button = (/** @type {string} */ title, /** @type {string} */ kind) => h("button", { type: "button", onclick: () => plan(change(kind, "", one.name)) }, title);
  const on = new Set(one.endpoints.map((end) => end.network.id));
  const others = model.networks.filter((network) => isDrawn(network) && !on.has(network.id)).sort(compare).map(({ name }) => name);
  return h("div", { class: "row questions", role: "group", "aria-label": "What if?" }, h("span", { class: "quiet" }, "What if it is"),
    one.state === "running" ? [button("stopped?", "stop"), button("restarted?", "restart")] : button("started?", "start"),
    button("removed?", "delete-container"),
    others.length > 0 && chooser("connected to", others, (network) => plan(change("connect", network, one.name))));
}

/**
 * @param {string} name
 * @param {Model} model
 * @param {Plan} plan
 */
export function networkQuestions(name, model, plan) {
  const others = model.containers.filter((one) => !one.endpoints.some((end) => end.network.name === name) && !one.hostMode && !one.sharesWith).sort(compare);
  return h("div", { class: "row questions", role: "group", "aria-label": "What if?" }, h("span", { class: "quiet" }, "What if it is"),
    h("button", { type: "button", onclick: () => plan(change("delete-network", name, "")) }, "removed?"),
    others.length > 0 && chooser("connected with", others.map((one) => one.name), (container) => plan(change("connect", name, container))));
}

/**
 * @param {string} network
 * @param {string} container
 * @param {Plan} plan
 */
export const disconnectButton = (network, container, plan) => h("button", {
  type: "button", "aria-label": `What if ${container} is disconnected from ${network}?`, onclick: () => plan(change("disconnect", network, container)),
}, "disconnected?");
