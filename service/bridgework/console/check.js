/**
 * The form of one check, from the choice of the two ends to the answer.
 *
 * @import { Destination } from "./destination.js"
 * @import { Ends, Question } from "./ends.js"
 * @import { Container, Model } from "./model.js"
 * @import { Journey } from "./picture.js"
 * @import { Fields } from "./question.js"
 * @typedef {{source?: string, destination?: string, kind?: string, protocol?: string, port?: string}} Aim fields to set;
 *   the first two are ids
 */
import { call } from "./api.js";
import { Asking } from "./asking.js";
import { named } from "./copying.js";
import { announce, byId, Emitter, h, replace, within } from "./dom.js";
import { behind, choices, endsOf, HOST_NAME, options } from "./ends.js";
import { fill, refused, shape, takeApart } from "./form.js";
import { trail } from "./link.js";
import { compare, HOST, storyPair } from "./model.js";
import { outcomeView, sentence, short } from "./outcome.js";
import { follow, questionOf, write } from "./question.js";
import { stage } from "./stage.js";

/** The buttons below the form: the kind of destination and the protocol of each. */
const PRESETS = new Map([
  ["address", { kind: "address", protocol: "icmp" }],
  ["name", { kind: "name", protocol: "icmp" }],
  ["http", { kind: "container", protocol: "http" }],
]);

/** @extends {Emitter<{journey: Journey | null, changed: null}>} `changed`: a remedy was sent, or containers were created */
export class Check extends Emitter {
  #form = byId("check-form", HTMLFormElement);
  #fields = /** @type {HTMLFormControlsCollection & Fields} */ (this.#form.elements);
  /** @type {Model | null} */
  #model = null;
  /** @type {Map<string, Container>} by the words in the form */
  #choices = new Map();
  #asking = new Asking();
  /** Whether a person or a link chose something: the page then no longer chooses the ends. */
  #touched = false;
  #choice = "";
  /** Whether an answer is shown: the next change of the form is then a step of the browser's history. */
  #answered = false;
  /** What shows the answer of a question again. @type {Map<string, () => void>} */
  #answers = new Map();

  constructor() {
    super();
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    this.#form.addEventListener("change", (event) => {
      this.#touched = true;
      const { to, text } = this.#fields;
      const written = [to, text].find((field) => field === event.target && !this.#choices.has(field.value));
      if (written) takeApart(written, this.#fields);
      this.#shape(event.target instanceof Element ? (event.target.getAttribute("name") ?? "") : "");
    });
    // What is typed replaces the name: a list of choices shows only those that fit the text in its field.
    this.#form.addEventListener("focusin", ({ target }) => {
      if (target instanceof HTMLInputElement && target.list) target.select();
    });
    byId("swap").addEventListener("click", () => {
      const { from, to } = this.#fields;
      this.#touched = true;
      if (to.value && from.value !== HOST_NAME) [from.value, to.value] = [to.value, from.value];
      this.#shape("to");
    });
    byId("presets").addEventListener("click", (event) => this.#preset(within(event, "button")?.dataset.preset));
    this.#touched = follow(this.#fields);
    this.#shape();
    trail.on("return", () => this.#return());
  }

  /** Back and Forward show the question of their address, with its answer if it was asked. */
  #return() {
    if (!follow(this.#fields)) return;
    this.#touched = true;
    this.#shape();
    const known = this.#answers.get(JSON.stringify(this.#question()));
    if (known) known();
    else byId("outcome").replaceChildren();
  }

  /**
   * Fill in a question that was written in one line, and ask it.
   * @param {{from: string, to: Destination}} pair
   */
  line(pair) {
    this.#touched = true;
    fill(this.#fields, pair, this.#choices);
    this.#shape();
    this.run();
  }

  /**
   * Offer the containers of a new model. A container that was chosen stays chosen, also under a new name.
   * @param {Model} model
   */
  update(model) {
    const { from, to } = this.#fields;
    const before = [from, to].map((field) => this.#choices.get(field.value)?.id);
    this.#model = model;
    const choice = JSON.stringify([...model.containers, ...model.elsewhere.values()].map((one) => [one.id, one.name, one.running, one.node]));
    if (choice !== this.#choice) {
      this.#choices = choices(model);
      byId("sources").replaceChildren(...options(this.#choices), h("option", { value: HOST_NAME }));
      byId("targets").replaceChildren(...options(this.#choices));
    }
    this.#choice = choice;
    const pair = storyPair(model) ?? model.containers.filter((one) => one.running).sort(compare);
    const start = this.#touched ? before : [pair[0]?.id, pair[1]?.id];
    [from, to].forEach((field, at) => {
      const words = this.#words(start[at]);
      if ((words || !this.#touched) && field !== document.activeElement) field.value = words;
    });
    this.#shape();
    stage(byId("stage"), model, () => this.emit("changed", null));
  }

  /** The words in the form for a container. @param {string | undefined} id */
  #words(id) {
    for (const [words, one] of this.#choices) if (one.id === id) return words;
    return id === HOST ? HOST_NAME : "";
  }

  /**
   * Set fields from elsewhere on the page.
   * @param {Aim} aim
   */
  aim(aim) {
    this.#touched = true;
    const { from, to, kind, protocol, port } = this.#fields;
    if (aim.source) from.value = this.#words(aim.source);
    if (aim.destination) [to.value, kind.value] = [this.#words(aim.destination), "container"];
    if (aim.kind) kind.value = aim.kind;
    if (aim.protocol) protocol.value = aim.protocol;
    if (aim.port) port.value = aim.port;
    this.#shape("to");
  }

  /** Show only the fields that the question needs, and fill in what is known. `changed` is the name of a field. */
  #shape(changed = "") {
    shape(this.#fields, this.#choices, changed);
    if (!this.#touched) return;
    write(this.#fields, this.#answered);
    this.#answered = false;
  }

  /** @param {string | undefined} name */
  #preset(name) {
    const preset = PRESETS.get(name ?? "");
    if (!preset) return;
    const { kind, protocol, port } = this.#fields;
    this.#touched = true;
    [kind.value, protocol.value] = [preset.kind, preset.protocol];
    if (name === "http") port.value = "";
    this.#shape("kind");
    this.run();
  }

  #question() {
    return questionOf(this.#fields, (name) => this.#choices.get(name)?.id ?? name);
  }

  /**
   * Send the question and show the answer. After a remedy, its question is sent again, whatever the form says by then.
   * @param {Question} body
   * @param {Api["Call"][]} after the calls of the remedy
   */
  async run(body = this.#question(), after = []) {
    const model = this.#model;
    if (!model) return;
    const ends = endsOf(body, model);
    const place = byId("outcome");
    this.emit("journey", null);
    /** @type {Api["CheckResult"] | null} */
    const result = await this.#asking.ask(place, `Checking whether ${ends.from} reaches ${ends.to} …`, (signal) => (
      call("POST", "/v1/connectivity/checks", body, { signal }).catch((problem) => refused(problem, this.#fields.trace))));
    if (result) {
      this.#answered = true;
      this.#answers.set(JSON.stringify(body), () => this.#show(ends, result, model, body, after));
      this.#show(ends, result, model, body, after);
    }
    byId("answer").scrollIntoView({ block: "start" });
  }

  /**
   * @param {Ends} ends
   * @param {Api["CheckResult"]} result
   * @param {Model} model
   * @param {Question} body
   * @param {Api["Call"][]} after
   */
  #show(ends, result, model, body, after) {
    const place = byId("outcome");
    const again = (/** @type {Api["Call"][]} */ calls) => this.run(body, calls);
    replace(place, outcomeView(ends, result, { body: named(body, model), again, onFixed: () => this.emit("changed", null), after }));
    announce(sentence(ends, result));
    const verdict = place.querySelector(".verdict");
    if (verdict instanceof HTMLElement) verdict.focus({ preventScroll: true });
    this.emit("journey", { source: ends.source, target: behind(result, model) ?? ends.target, verdict: result.verdict, label: short(result) });
  }
}
