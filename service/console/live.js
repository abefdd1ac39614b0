/**
 * Keeps the picture true: the event stream says that something changed, and the graph is read again (with its ETag).
 * Without a stream it asks every five seconds, and tries the stream again later. A hidden page holds no stream.
 */
import { changed, events } from "./api.js";
import { ROOMY_UP_TO } from "./layout.js";

const POLL_MS = 5000;
const SETTLE_MS = 200;
const REOPEN_MS = 1000;
const ROUNDS_BEFORE_STREAM = 6;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** `onGraph(document)` with every new graph, `onState(word, problem)` with `live`, `polling` or `lost`. */
export class Live {
  #stop = new AbortController();
  #timer = 0;
  #lastEventId = null;
  /** The veths on the host cost a look into every namespace: only a picture that has room for them asks. */
  #small = false;
  #shown = false;
  #onGraph;
  #onState;

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
  }

  #visibility = () => {
    this.#stop.abort();
    if (document.hidden) return;
    this.#stop = new AbortController();
    this.#run(this.#stop.signal);
  };

  /** Read the graph now. Answers whether that worked. */
  async refresh() {
    try {
      const { value, changed: news } = await changed(this.#small ? "/v1/topology?links=true" : "/v1/topology");
      const small = value.nodes.filter((node) => node.kind === "container").length <= ROOMY_UP_TO;
      if (news || !this.#shown) this.#onGraph(value);
      this.#shown = true;
      if (small === this.#small) return true;
      this.#small = small;
      return await this.refresh();
    } catch (problem) {
      this.#onState("lost", problem);
      return false;
    }
  }

  async #run(signal) {
    while (!signal.aborted) {
      const opened = await this.#stream(signal);
      if (opened) await pause(REOPEN_MS);
      for (let round = 0; !opened && round < ROUNDS_BEFORE_STREAM && !signal.aborted; round += 1) {
        if (await this.refresh()) this.#onState("polling");
        await pause(POLL_MS);
      }
    }
  }

  /** Follow the stream until it ends; an end or a refusal is no fault. Answers whether there was a stream at all. */
  async #stream(signal) {
    let opened = false;
    try {
      for await (const message of events("/v1/events", this.#lastEventId, signal)) {
        if (message.id) this.#lastEventId = message.id;
        if (message.event === "open") {
          opened = true;
          if (await this.refresh()) this.#onState("live");
        } else this.#soon();
      }
    } catch (problem) {
      if (problem.status === undefined && problem.name !== "AbortError" && !(problem instanceof TypeError)) throw problem;
    }
    return opened;
  }

  /** Events come in bursts (a start is five of them): one reading for all. */
  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), SETTLE_MS);
  }
}
