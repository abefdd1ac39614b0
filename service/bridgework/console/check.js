/** The form that asks one question, from the two ends to the answer; it draws the answer's path. */
import { call } from "./api.js";
import { Asking } from "./asking.js";
import { announce, byId, h, replace } from "./dom.js";
import { behind, choices, endsOf } from "./ends.js";
import { compare, HOST, shared, storyPair } from "./model.js";
import { outcomeView, sentence, short } from "./outcome.js";
import { stage } from "./stage.js";

const WITH_PORT = new Set(["tcp", "udp", "http"]);

export class Check extends EventTarget {
  #form = byId("check-form");
  #model = null;
  #asking = new Asking();
  #touched = false;
  #choice = "";

  constructor() {
    super();
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    this.#form.addEventListener("change", (event) => {
      this.#touched = true;
      this.#shape(event.target.name);
    });
    byId("swap").addEventListener("click", () => {
      const { from, to } = this.#form.elements;
      const before = from.value;
      if (to.value && before !== HOST) [from.value, to.value] = [to.value, before];
      this.#shape("to");
    });
    byId("presets").addEventListener("click", (event) => this.#preset(event.target.closest("button")?.dataset.preset));
    this.#shape();
  }

  /** Take over a new picture of the engine; what was chosen stays chosen while it exists. */
  update(model) {
    this.#model = model;
    const { from, to } = this.#form.elements;
    const chosen = [from.value, to.value];
    const choice = JSON.stringify([...model.containers, ...model.elsewhere.values()].map((one) => [one.id, one.name, one.running, one.node]));
    if (choice !== this.#choice) {
      from.replaceChildren(...choices(model), h("option", { value: HOST }, "the host"));
      to.replaceChildren(...choices(model));
    }
    this.#choice = choice;
    const pair = storyPair(model) ?? model.containers.filter((one) => one.running).sort(compare);
    const start = this.#touched ? chosen : [pair[0]?.id, pair[1]?.id];
    [from, to].forEach((field, at) => {
      const fits = [...field.options].some((option) => option.value === start[at]);
      field.value = fits ? start[at] : (pair[at]?.id ?? field.options[at]?.value ?? "");
    });
    this.#shape();
    stage(byId("stage"), model, () => this.dispatchEvent(new CustomEvent("changed")));
  }

  /** Set one end from elsewhere on the page. */
  aim(ends) {
    this.#touched = true;
    const { from, to, kind } = this.#form.elements;
    if (ends.source) from.value = ends.source;
    if (ends.destination) [to.value, kind.value] = [ends.destination, "container"];
    if (ends.kind) kind.value = ends.kind;
    if (ends.protocol) this.#form.elements.protocol.value = ends.protocol;
    if (ends.port) this.#form.elements.port.value = ends.port;
    this.#shape("to");
  }

  /** Show only the fields that the question needs, and fill in what is known. */
  #shape(changed = "") {
    const { kind, to, text, protocol, port, from } = this.#form.elements;
    const free = kind.value === "name" || kind.value === "address";
    const aimed = this.#model?.known(to.value);
    byId("to-container").hidden = kind.value !== "container";
    byId("to-text").hidden = !free;
    byId("to-text-label").textContent = kind.value === "name" ? "Name, as the source would look it up" : "Address";
    if (free && ["kind", "to"].includes(changed) && aimed) text.value = kind.value === "name" ? aimed.name : this.#address(aimed);
    byId("port-field").hidden = !WITH_PORT.has(protocol.value);
    byId("path-field").hidden = protocol.value !== "http";
    if (WITH_PORT.has(protocol.value) && !port.value) port.value = aimed?.published_ports?.[0]?.match(/->(\d+)/)?.[1] ?? "8080";
    const source = this.#model?.known(from.value);
    const common = source && aimed ? shared(source, aimed) : [];
    byId("hint").textContent = source && aimed && source !== aimed && common.length === 1 && common[0].builtin
      ? `${source.name} and ${aimed.name} have only the default bridge in common. Try it by address, then by name.` : "";
    byId("presets").hidden = !(source && aimed && source !== aimed);
  }

  #address(container) {
    const source = this.#model.known(this.#form.elements.from.value);
    const common = source && shared(source, container)[0];
    const end = container.endpoints.find((one) => one.network === common) ?? container.endpoints[0];
    return end?.ipv4_address ?? end?.ipv6_address ?? "";
  }

  #preset(preset) {
    if (!preset) return;
    const { kind, protocol, port } = this.#form.elements;
    this.#touched = true;
    [kind.value, protocol.value] = { address: ["address", "icmp"], name: ["name", "icmp"], http: ["container", "http"] }[preset];
    if (preset === "http") port.value = "";
    this.#shape("kind");
    this.run();
  }

  #question() {
    const { from, to, text, kind, protocol, port, path } = this.#form.elements;
    const value = { container: to.value, name: text.value.trim(), address: text.value.trim(), host: true }[kind.value];
    const body = { source: from.value === HOST ? { host: true } : { container: from.value }, destination: { [kind.value]: value }, protocol: protocol.value };
    if (WITH_PORT.has(protocol.value)) body.port = Number(port.value);
    if (protocol.value === "http") body.path = path.value || "/";
    if (protocol.value === "icmp") body.count = 3;
    return body;
  }

  async run() {
    const body = this.#question();
    const ends = endsOf(body, this.#model);
    const place = byId("outcome");
    this.dispatchEvent(new CustomEvent("journey", { detail: null }));
    const send = (signal) => call("POST", "/v1/connectivity/checks", body, { signal });
    const result = await this.#asking.ask(place, `Checking whether ${ends.from} reaches ${ends.to} …`, send);
    if (result) {
      replace(place, outcomeView(ends, result, { again: () => this.run(), onMended: () => this.dispatchEvent(new CustomEvent("changed")) }));
      announce(sentence(ends, result));
      place.querySelector(".verdict").focus({ preventScroll: true });
      const target = behind(result, this.#model) ?? ends.target;
      this.dispatchEvent(new CustomEvent("journey", { detail: { ...ends, target, verdict: result.verdict, label: short(result) } }));
    }
    byId("answer").scrollIntoView({ block: "start" });
  }
}
