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
/** The stream says something every few seconds, and the picture is read in far less: silence is a fault. */
const SILENT_MS = 10_000;
const SLOW_MS = 5000;
const AS_BEFORE = { summary: "The page shows what was there before. It is read again when the engine answers." };
const unheard = (ms) => ({ status: 0, message: `The service has said nothing for ${ms / 1000} s. The picture may be out of date.` });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** `onGraph(document)` with every new graph, `onState(word, problem)` with `live`, `polling`, `away` (the engine) or `lost`. */
export class Live {
  #stop = new AbortController();
  #timer = 0;
  #watch = 0;
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
    clearTimeout(this.#watch);
  }

  #visibility = () => {
    this.#stop.abort();
    if (document.hidden) return;
    this.#stop = new AbortController();
    this.#run(this.#stop.signal);
  };

  /** Read the graph now. Answers whether that worked. */
  async refresh() {
    const slow = setTimeout(() => this.#onState("lost", unheard(SLOW_MS)), SLOW_MS);
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
    } finally {
      clearTimeout(slow);
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
      if (problem.status === undefined && problem.name !== "AbortError" && !(problem instanceof TypeError)) throw problem;
    }
    clearTimeout(this.#watch);
    return opened;
  }

  /** The engine has stopped answering, or answers again: what is shown is as of before. */
  async #engine({ state, detail }) {
    clearTimeout(this.#timer);
    if (state === "unreachable") this.#onState("away", { status: 0, message: detail, remedy: AS_BEFORE });
    else if (await this.refresh()) this.#onState("live");
  }

  /** Events come in bursts (a start is five of them): one reading for all. */
  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), SETTLE_MS);
  }
}
