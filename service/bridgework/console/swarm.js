/**
 * The containers on the swarm's other nodes. They are not in the picture, but can be an end of a check. The event stream
 * does not tell about them, so they are read at intervals, and less often if the engine has no other nodes.
 *
 * @import { Container, EngineModel, Model } from "./model.js"
 * @typedef {{containers: Container[], names: Map<string, string>}} Others `names`: host names by node id
 */
import { call, changed, Problem } from "./api.js";
import { compare, read } from "./model.js";

const AGAIN_MS = 10_000;
const ALONE_MS = 60_000;

/** @type {Others} */
export const NO_OTHERS = { containers: [], names: new Map() };

export class Swarm {
  #timer = 0;
  #ended = false;
  #onNews;

  /** @param {(others: Others) => void} onNews is called when the other nodes' containers changed */
  constructor(onNews) {
    this.#onNews = onNews;
    this.#look();
  }

  end() {
    clearTimeout(this.#timer);
    this.#ended = true;
  }

  async #look() {
    const others = document.hidden ? null : await this.#others().catch(unlessProblem);
    if (this.#ended) return;
    if (others) this.#onNews(others);
    this.#timer = setTimeout(() => this.#look(), others === NO_OTHERS ? ALONE_MS : AGAIN_MS);
  }

  /** Null if nothing changed. */
  async #others() {
    /** @type {Api["SwarmNodes"]} */
    const { items } = await call("GET", "/v1/nodes?limit=1000");
    const names = new Map(items.filter((one) => !one.here).map((one) => [one.id, one.hostname]));
    if (!names.size) return NO_OTHERS;
    const { value, changed: news } = await changed("/v1/topology?scope=swarm");
    if (!news) return null;
    const { containers, networkOf } = read(value);
    const there = containers.sort(compare).flatMap((one) => {
      const [node, homeName] = [names.get(one.node ?? ""), networkOf.get(one.home)?.name];
      return node === undefined ? [] : [{ ...one, node, ...(homeName !== undefined && { homeName }) }];
    });
    return { containers: there, names };
  }
}

/**
 * When the service does not answer, the page keeps what it knew before.
 * @param {unknown} error
 */
function unlessProblem(error) {
  if (!(error instanceof Problem)) throw error;
  return null;
}

/**
 * Add the other nodes' containers to a model, beside what is drawn.
 * @param {EngineModel} model
 * @param {Others} others
 * @returns {Model}
 */
export function widened(model, { containers, names }) {
  const elsewhere = new Map(containers.filter((one) => !model.containerOf.has(one.id)).map((one) => [one.id, one]));
  const known = (/** @type {string} */ id = "") => model.containerOf.get(id) ?? elsewhere.get(id);
  return { ...model, elsewhere, nodeNames: names, known };
}
