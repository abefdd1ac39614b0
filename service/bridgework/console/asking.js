/** A question that may take long shows how long it has been running, and a button that cancels it. */
import { Problem } from "./api.js";
import { h, problemNote, replace } from "./dom.js";

const TICK_MS = 250;

/**
 * Show in `element` the seconds since now. Returns a function that stops the clock and returns the seconds.
 * @param {HTMLElement} element
 */
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

/** Whether a request ended because the page aborted it. @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";

/** The questions of one place of the page. Only the newest one counts: it cancels the one before. */
export class Asking {
  /** @type {AbortController | null} */
  #stop = null;

  /**
   * Call `send(signal)` and show `words` in `place` meanwhile. Returns the answer, or null if the question was
   * cancelled, replaced by a newer one, or failed; `place` then says so.
   * @template Answer
   * @param {HTMLElement} place
   * @param {string} words
   * @param {(signal: AbortSignal) => Promise<Answer>} send
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
      const aborted = isAbort(problem);
      if (!aborted && !(problem instanceof Problem)) throw problem;
      if (stop === this.#stop) replace(place, aborted ? cancelled(end()) : problemNote(/** @type {Problem} */ (problem)));
      return null;
    } finally {
      end();
    }
  }
}

/** @param {number} seconds */
const cancelled = (seconds) => h("p", { class: "quiet", role: "status" }, `Cancelled after ${seconds} s. Nothing was changed.`);
