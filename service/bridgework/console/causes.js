/**
 * Why two containers do not reach each other, as far as the networks show it: what Docker keeps apart is no fault. Only a
 * check of one pair finds the whole cause.
 *
 * @import { Container, Model } from "./model.js"
 * @typedef {{source: string, destination: string}} Pair ids
 * @typedef {{count: number, example: Pair}} Between the pairs from one network to another
 * @typedef {keyof typeof CAUSES} Cause
 */
import { shared } from "./model.js";

/** In the order in which they are shown. */
export const CAUSES = {
  other: "a shared network, and no answer",
  nameless: "only the default bridge in common, which resolves no names",
  closed: "no shared network with traffic between containers (enable_icc=false)",
  stopped: "one end does not run",
  apart: "no shared network, so Docker keeps the two apart",
};

/**
 * The container whose network a container uses: its own, or that of the one it shares with.
 * @param {Container | undefined} container
 * @param {Model} model
 * @returns {Container | undefined}
 */
const ownerOf = (container, model) => (container?.sharesWith ? model.known(container.sharesWith) : container);

/**
 * @param {Pair} pair
 * @param {Model} model
 * @param {boolean} byName
 * @returns {Cause}
 */
export function causeOf({ source, destination }, model, byName) {
  const ends = [model.known(source), model.known(destination)];
  const [from, to] = ends.map((one) => ownerOf(one, model));
  if (!from || !to || from.hostMode || to.hostMode) return "other";
  if (ends.some((one) => one?.state !== "running")) return "stopped";
  const common = shared(from, to);
  if (!common.length) return "apart";
  if (byName && common.every((network) => network.builtin)) return "nameless";
  return common.every((network) => network.inter_container === false) ? "closed" : "other";
}

/** The unreachable pairs of a matrix, by their cause and by the networks of the two ends. */
export class Unreachable {
  /** @type {Map<Cause, Map<string, Between>>} */
  #causes = new Map();

  /**
   * @param {Cause} cause
   * @param {string} between
   * @param {Pair} example
   */
  add(cause, between, example) {
    const groups = this.#causes.get(cause) ?? new Map();
    this.#causes.set(cause, groups);
    const group = groups.get(between) ?? { count: 0, example };
    groups.set(between, { ...group, count: group.count + 1 });
  }

  /** Each cause with its number of pairs and its groups, the largest first. */
  get causes() {
    return /** @type {Cause[]} */ (Object.keys(CAUSES)).flatMap((cause) => {
      const groups = [...(this.#causes.get(cause) ?? [])].sort(([, a], [, b]) => b.count - a.count);
      const count = groups.reduce((sum, [, group]) => sum + group.count, 0);
      return count ? [{ cause, count, groups }] : [];
    });
  }
}
