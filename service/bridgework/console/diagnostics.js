/** Every finding about the engine as it stands. Examining enters every namespace, so it is done when asked for. */
import { call } from "./api.js";
import { Asking } from "./asking.js";
import { byId, h, plural, replace } from "./dom.js";
import { findingCard } from "./findings.js";

export class Diagnostics extends EventTarget {
  #place = byId("findings");
  #read = false;
  #asking = new Asking();

  constructor() {
    super();
    byId("examine").addEventListener("click", () => this.read());
  }

  /** Examine when the tab is first opened. */
  open() {
    if (!this.#read) this.read();
  }

  /** Something changed: what is shown may be out of date. */
  stale() {
    byId("findings-note").textContent = this.#read ? "The engine has changed since." : "";
  }

  async read() {
    this.#read = true;
    byId("findings-note").textContent = "";
    const send = (signal) => call("GET", "/v1/diagnostics?limit=1000", null, { signal });
    const found = await this.#asking.ask(this.#place, "Examining the whole engine …", send);
    if (found) {
      const { items, limited } = found;
      byId("findings-count").textContent = items.length ? String(items.length) : "";
      const mended = () => this.dispatchEvent(new CustomEvent("changed"));
      replace(this.#place,
        h("p", { role: "status" }, items.length ? `${plural(items.length, "finding")}, the worst first.` : "Nothing is amiss."),
        limited.length > 0 && h("div", { class: "note" }, h("p", {}, "Could not be inspected:"), h("ul", {}, limited.map((one) => h("li", {}, one)))),
        items.map((finding) => findingCard(finding, { onMended: mended })));
    } else this.#read = false;
  }
}
