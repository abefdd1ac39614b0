/**
 * Keeps the picture up to date. When the event stream says that something changed, the graph is read again, with its
 * ETag. Without a stream the graph is read every five seconds, and the stream is tried again later. A hidden page closes
 * its stream.
 *
 * @import { Trouble } from "./api.js"
 * @import { Graph } from "./model.js"
 * @import { State } from "./status.js"
 */
import { changed, events, Problem } from "./api.js";
import { isAbort } from "./asking.js";
import { ROOMY_UP_TO } from "./layout.js";

const POLL_MS = 5000;
const SETTLE_MS = 200;
const REOPEN_MS = 1000;
const ROUNDS_BEFORE_STREAM = 6;
/** The stream has a message or a heartbeat every few seconds, and the graph is read in far less: silence is a fault. */
const SILENT_MS = 10_000;
const SLOW_MS = 5000;
const AS_BEFORE = { summary: "The page shows the last known state. It reads the state again when the engine answers." };
/**
 * @param {number} ms
 * @returns {Trouble}
 */
const unheard = (ms) => ({ status: 0, message: `The service has not answered for ${ms / 1000} s. The picture may be out of date.`, remedy: null, faults: [] });
/** @param {number} ms */
const pause = (ms) => new Promise((done) => {
  setTimeout(done, ms);
});

export class Live {
  #stop = new AbortController();
  #timer = 0;
  #watch = 0;
  /** @type {string | null} */
  #lastEventId = null;
  /** To find the veths, the service enters every namespace. So they are read only if the picture has room for them. */
  #small = false;
  #shown = false;
  #onGraph;
  #onState;

  /**
   * @param {(graph: Graph, finer: boolean) => void} onGraph is called with every new graph; `finer`: only its links are new
   * @param {(state: State, problem?: Trouble) => void} onState
   */
  constructor(onGraph, onState) {
    this.#onGraph = onGraph;
    this.#onState = onState;
    document.addEventListener("visibilitychange", this.#visibility);
    this.#run(this.#stop.signal);
  }

  end() {
    document.removeEventListener("visibilitychange", this.#visibility);
    this.#stop.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#watch);
  }

  #visibility = () => {
    this.#stop.abort();
    if (document.hidden) return;
    this.#stop = new AbortController();
    this.#run(this.#stop.signal);
  };

  /**
   * Read the graph now. Returns whether that worked.
   * @param {boolean} finer whether only the links are new, which are read where there is room for them
   * @returns {Promise<boolean>}
   */
  async refresh(finer = false) {
    const slow = setTimeout(() => this.#onState("lost", unheard(SLOW_MS)), SLOW_MS);
    try {
      const { value, changed: news } = await changed(this.#small ? "/v1/topology?links=true" : "/v1/topology");
      const graph = /** @type {Graph} */ (value);
      const small = graph.nodes.filter((node) => node.kind === "container").length <= ROOMY_UP_TO;
      if (news || !this.#shown) this.#onGraph(graph, finer);
      this.#shown = true;
      if (small === this.#small) return true;
      this.#small = small;
      return await this.refresh(true);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#onState("lost", problem);
      return false;
    } finally {
      clearTimeout(slow);
    }
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    while (!signal.aborted) {
      if (await this.#stream(signal)) await pause(REOPEN_MS);
      else await this.#poll(signal);
    }
  }

  /** @param {AbortSignal} signal */
  async #poll(signal) {
    for (let round = 0; round < ROUNDS_BEFORE_STREAM && !signal.aborted; round += 1) {
      if (await this.refresh()) this.#onState("polling");
      await pause(POLL_MS);
    }
  }

  /**
   * Follow the stream until it ends. An end or a refusal is not an error. Returns whether there was a stream.
   * @param {AbortSignal} signal
   */
  async #stream(signal) {
    let opened = false;
    const silence = new AbortController();
    const heard = () => {
      clearTimeout(this.#watch);
      this.#watch = setTimeout(() => {
        this.#onState("lost", unheard(SILENT_MS));
        silence.abort();
      }, SILENT_MS);
    };
    try {
      heard();
      for await (const message of events("/v1/events", this.#lastEventId, AbortSignal.any([signal, silence.signal]))) {
        heard();
        if (message.id) this.#lastEventId = message.id;
        if (message.event === "open") {
          opened = true;
          if (await this.refresh()) this.#onState("live");
        } else if (message.event === "engine") await this.#engine(JSON.parse(message.data));
        else if (message.event !== "heartbeat") this.#soon();
      }
    } catch (problem) {
      if (!(problem instanceof Problem) && !isAbort(problem) && !(problem instanceof TypeError)) throw problem;
    }
    clearTimeout(this.#watch);
    return opened;
  }

  /**
   * The engine does not answer, or answers again.
   * @param {Api["Event"]} event
   */
  async #engine({ state, detail }) {
    clearTimeout(this.#timer);
    const message = detail ?? "The Docker engine does not answer.";
    if (state === "unreachable") this.#onState("away", { status: 0, message, remedy: AS_BEFORE, faults: [] });
    else if (await this.refresh()) this.#onState("live");
  }

  /** Read the graph after a short time. Events come in bursts, five for the start of a container, and one reading serves all. */
  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), SETTLE_MS);
  }
}
