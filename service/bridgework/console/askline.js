/**
 * One field for every question: `api → db:5432` is checked, a name alone is shown. `/` and Ctrl-K lead to it.
 *
 * @import { Model, Thing } from "./model.js"
 * @import { Destination } from "./destination.js"
 */
import { pairOf } from "./destination.js";
import { byId, Emitter } from "./dom.js";
import { choices } from "./ends.js";
import { HOST } from "./model.js";

const FIELDS = "input, select, textarea, [contenteditable]";

/** @extends {Emitter<{check: {from: string, to: Destination}, choose: Thing}>} */
export class AskLine extends Emitter {
  #field = byId("ask-line", HTMLInputElement);
  /** @type {Model | null} */
  #model = null;

  constructor() {
    super();
    byId("ask-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask();
    });
    this.#field.addEventListener("input", () => this.#field.setCustomValidity(""));
    document.addEventListener("keydown", (event) => {
      const typing = event.target instanceof Element && event.target.matches(FIELDS);
      const wanted = (event.key === "/" && !typing) || (event.key === "k" && (event.ctrlKey || event.metaKey));
      if (!wanted || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      this.#field.focus();
      this.#field.select();
    });
  }

  /** @param {Model} model */
  update(model) {
    this.#model = model;
  }

  #ask() {
    const model = this.#model;
    const line = this.#field.value.trim();
    if (!model || !line) return;
    const pair = pairOf(line);
    const problem = pair ? this.#check(pair, model) : this.#show(line, model);
    this.#field.setCustomValidity(problem);
    this.#field.reportValidity();
  }

  /**
   * @param {{from: string, to: Destination}} pair
   * @param {Model} model
   */
  #check(pair, model) {
    if (pair.from !== HOST && !choices(model).has(pair.from)) return `No container has the name “${pair.from}”.`;
    this.emit("check", pair);
    return "";
  }

  /**
   * @param {string} name
   * @param {Model} model
   */
  #show(name, model) {
    const thing = name === HOST ? { kind: HOST, id: HOST } : [...model.containers, ...model.networks].find((one) => one.name === name);
    if (!thing) return `No container and no network has the name “${name}”. To check a way, write api → db:5432.`;
    this.emit("choose", { kind: thing.kind, id: thing.id });
    return "";
  }
}
