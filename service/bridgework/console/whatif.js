/**
 * "What if?": changes that a person puts together, and what they would do. Asking changes nothing, so the page asks as
 * soon as there is a change. Where the engine would refuse one, the plan takes the calls that resolve it instead.
 *
 * @import { Model } from "./model.js"
 * @typedef {{change: HTMLSelectElement, container: HTMLInputElement, network: HTMLSelectElement}} Fields
 */
import { answered } from "./api.js";
import { applyButton } from "./apply.js";
import { Asking } from "./asking.js";
import { CHANGES, inWords, resolved } from "./changes.js";
import { copyButtons } from "./copying.js";
import { announce, byId, Emitter, h, replace } from "./dom.js";
import { linked, relink } from "./link.js";
import { compare, isDrawn } from "./model.js";
import { changesOf, planning, planView } from "./plan.js";

const WITH_NETWORK = new Set(["delete-network", "connect", "disconnect"]);
/** A resolved plan can be refused for another reason, which may have a remedy too. */
const ROUNDS = 3;

/** @extends {Emitter<{changed: null}>} `changed`: a plan was applied or undone */
export class WhatIf extends Emitter {
  #form = byId("what-if-form", HTMLFormElement);
  #fields = /** @type {HTMLFormControlsCollection & Fields} */ (this.#form.elements);
  #list = byId("what-if-changes");
  #place = byId("what-if");
  #asking = new Asking();
  /** @type {Model | null} */
  #model = null;
  /** @type {Api["Call"][]} */
  #changes = [];

  constructor() {
    super();
    this.#form.addEventListener("change", () => this.#shape());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { change, container, network } = this.#fields;
      const make = CHANGES[change.value];
      if (make) this.plan([...this.#changes, make(network.value, container.value)]);
    });
    this.#shape();
  }

  /** @param {Model} model */
  update(model) {
    const first = !this.#model;
    this.#model = model;
    const { network } = this.#fields;
    const chosen = network.value;
    const names = model.networks.filter(isDrawn).sort(compare).map((one) => one.name);
    network.replaceChildren(...names.map((name) => h("option", {}, name)));
    if (names.includes(chosen)) network.value = chosen;
    const given = first && linked("plan");
    if (given) this.plan(parsed(given));
  }

  #shape() {
    const kind = this.#fields.change.value;
    byId("what-if-network").hidden = !WITH_NETWORK.has(kind);
    byId("what-if-container").hidden = kind === "delete-network";
    this.#fields.container.required = kind !== "delete-network";
  }

  /**
   * Show these changes, and ask what they would do.
   * @param {Api["Call"][]} changes
   */
  async plan(changes) {
    this.#changes = changes;
    relink({ plan: changes.length ? JSON.stringify(changes) : "" });
    this.#draw();
    planning.emit("change", []);
    this.#place.replaceChildren();
    if (!changes.length) return;
    /** @type {{plan: Api["Plan"], etag: string, refused: string[]} | null} */
    const made = await this.#asking.ask(this.#place, "Predicting what changes …", (signal) => this.#ask(changes, signal));
    if (!made) return;
    this.#changes = made.plan.steps.map(({ call }) => call);
    this.#draw();
    this.#show(made);
  }

  /**
   * @param {Api["Call"][]} changes
   * @param {AbortSignal} signal
   */
  async #ask(changes, signal) {
    /** @type {string[]} */
    const refused = [];
    let asked = changes;
    for (let round = 1; ; round += 1) {
      const { value: plan, etag } = await answered("POST", "/v1/plans", { changes: asked }, { signal });
      const better = round < ROUNDS && resolved(plan.steps);
      if (!better) return { plan, etag, refused };
      refused.push(...plan.steps.flatMap((/** @type {Api["PlanStep"]} */ { problem }) => (problem ? [problem.detail] : [])));
      asked = better;
    }
  }

  #draw() {
    const leaveOut = (/** @type {number} */ at) => this.plan(this.#changes.filter((_, other) => other !== at));
    replace(this.#list, this.#changes.map((one, at) => h("li", {}, inWords(one, this.#model), " ",
      h("button", { type: "button", onclick: () => leaveOut(at), "aria-label": `Leave out change ${at + 1}` }, "Leave out"))));
  }

  /** @param {{plan: Api["Plan"], etag: string, refused: string[]}} made */
  #show({ plan, etag, refused }) {
    const words = (/** @type {Api["Call"]} */ call) => inWords(call, this.#model);
    const body = { changes: this.#changes };
    replace(this.#place,
      refused.length > 0 && h("div", { class: "note warn" }, h("p", {}, h("strong", {}, "Docker would refuse this: "), refused.join(" ")), h("p", {}, "The plan has the changes that resolve it.")),
      h("section", { class: "note", "aria-label": "What will change", tabindex: "-1" }, planView(plan)),
      plan.possible && plan.steps.some(({ outcome }) => outcome === "changes") && applyButton(plan, etag, words, () => this.emit("changed", null)),
      copyButtons([["Link", () => location.href], ["JSON", () => JSON.stringify({ request: body, answer: plan }, null, 2)]]));
    planning.emit("change", changesOf(plan.difference));
    announce(plan.possible ? "The plan is predicted." : "The plan would be refused.");
  }
}

/**
 * The changes of a link. Another text holds none.
 * @param {string} text
 * @returns {Api["Call"][]}
 */
function parsed(text) {
  try {
    const list = JSON.parse(text);
    return Array.isArray(list) ? list : [];
  } catch (problem) {
    if (problem instanceof SyntaxError) return [];
    throw problem;
  }
}
