/**
 * The containers on the swarm's other nodes, which may be asked about though they are not in the picture. News of them
 * comes on no stream of ours, so they are asked for now and then, and only where there are other nodes at all.
 */
import { call, changed } from "./api.js";
import { compare, read } from "./model.js";

const AGAIN_MS = 10_000;
const ALONE_MS = 60_000;

export const NOBODY = { containers: [], names: new Map() };

/** `onNews({containers, names})`: `node` of each container is its host's name, `network` its home's; `names` of nodes by id. */
export class Swarm {
  #timer = 0;
  #onNews;

  constructor(onNews) {
    this.#onNews = onNews;
    this.#look();
  }

  end() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #look() {
    const others = document.hidden ? null : await this.#others().catch((problem) => this.#untold(problem));
    if (others) this.#onNews(others);
    if (this.#timer !== null) this.#timer = setTimeout(() => this.#look(), others === NOBODY ? ALONE_MS : AGAIN_MS);
  }

  /** Null where nothing changed. */
  async #others() {
    const { items } = await call("GET", "/v1/nodes?limit=1000");
    const names = new Map(items.filter((one) => !one.here).map((one) => [one.id, one.hostname]));
    if (!names.size) return NOBODY;
    const { value, changed: news } = await changed("/v1/topology?scope=swarm");
    if (!news) return null;
    const { containers, networkOf } = read(value);
    const there = containers.filter((one) => names.has(one.node)).sort(compare)
      .map((one) => ({ ...one, node: names.get(one.node), network: networkOf.get(one.home)?.name }));
    return { containers: there, names };
  }

  /** Without an answer, what was known before is shown on. */
  #untold(problem) {
    if (problem.status === undefined) throw problem;
    return null;
  }
}

/** Take the others into a model, beside what is drawn. */
export function widened(model, { containers, names }) {
  const elsewhere = new Map(containers.filter((one) => !model.containerOf.has(one.id)).map((one) => [one.id, one]));
  return { ...model, elsewhere, nodeNames: names, known: (id) => model.containerOf.get(id) ?? elsewhere.get(id) };
}
