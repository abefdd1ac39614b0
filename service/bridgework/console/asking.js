/** What may take long shows for how long it has been asked, and can be given up. */
import { h, problemNote, replace } from "./dom.js";

const TICK_MS = 250;

/** Show in `element` the seconds since now; answers a function that ends it and answers the seconds. */
export function ticking(element) {
  const began = performance.now();
  const seconds = () => Math.floor((performance.now() - began) / 1000);
  const show = () => { element.textContent = seconds() ? `${seconds()} s` : ""; };
  show();
  const timer = setInterval(show, TICK_MS);
  return () => {
    clearInterval(timer);
    return seconds();
  };
}

/** The questions of one place of the page: one at a time, the newest is the one that counts. */
export class Asking {
  #stop = null;

  /**
   * Ask by `send(signal)`, and say `words` in `place` meanwhile. Answers what came, or null where the question was
   * cancelled, replaced by a newer one, or failed; `place` then says so.
   */
  async ask(place, words, send) {
    this.#stop?.abort();
    const stop = (this.#stop = new AbortController());
    const clock = h("span", { class: "clock", "aria-hidden": "true" });
    const end = ticking(clock);
    replace(place, h("div", { class: "row asking" }, h("p", { class: "quiet", role: "status" }, words), clock,
      h("button", { type: "button", class: "cancel", onclick: () => stop.abort() }, "Cancel")));
    try {
      const answer = await send(stop.signal);
      return stop === this.#stop ? answer : null;
    } catch (problem) {
      if (problem.status === undefined && problem.name !== "AbortError") throw problem;
      if (stop === this.#stop) replace(place, problem.name === "AbortError" ? cancelled(end()) : problemNote(problem));
      return null;
    } finally {
      end();
    }
  }
}

const cancelled = (seconds) => h("p", { class: "quiet", role: "status" }, `Cancelled after ${seconds} s. A question changes nothing.`);
