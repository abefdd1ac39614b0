/**
 * Findings in the picture: how many each thing has. The most severe one gives the shape: an octagon blocks, a triangle
 * warns, a circle informs.
 *
 * @import { Element } from "./elements.js"
 * @import { Layout } from "./layout.js"
 * @typedef {Api["Finding"]["severity"]} Severity
 * @typedef {Map<string, {count: number, severity: Severity}>} Marks by the id of a container or a network, or `host`
 */
import { changed, Problem } from "./api.js";
import { Emitter, plural } from "./dom.js";
import { HOST } from "./model.js";

/** @type {Severity[]} */
const SEVERITIES = ["blocking", "warning", "info"];

/**
 * What is known of the engine's findings: those of its state, which the list of containers holds, or all of them while an
 * examination is up to date.
 *
 * @extends {Emitter<{marks: Marks}>}
 */
class Badges extends Emitter {
  #examined = false;

  /** Read the findings of the engine's state again: the engine may have changed. */
  async read() {
    this.#examined = false;
    try {
      const { value } = await changed("/v1/containers?limit=1000");
      const items = /** @type {Api["ContainerPage"]} */ (value).items ?? [];
      if (!this.#examined) this.emit("marks", marksOf(items.flatMap(({ findings }) => findings)));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem; // the page says elsewhere that the service does not answer
    }
  }

  /** @param {Api["Finding"][]} findings of an examination of the whole engine */
  examined(findings) {
    this.#examined = true;
    this.emit("marks", marksOf(findings));
  }
}

export const badges = new Badges();

/**
 * @param {Api["Finding"][]} findings
 * @returns {Marks}
 */
export function marksOf(findings) {
  /** @type {Marks} */
  const marks = new Map();
  for (const { component, severity } of findings) {
    const id = component.kind === "host" ? HOST : component.id;
    if (id) marks.set(id, added(marks.get(id), { count: 1, severity }));
  }
  return marks;
}

/** @type {(one: {count: number, severity: Severity} | undefined, other: {count: number, severity: Severity}) => {count: number, severity: Severity}} */
const added = (one, other) => (one ? { count: one.count + other.count, severity: SEVERITIES.find((each) => each === one.severity || each === other.severity) ?? "info" } : other);

/** `2 findings, blocking` @param {{count: number, severity: Severity}} mark */
export const markWords = ({ count, severity }) => `${plural(count, "finding")}, ${severity}`;

/**
 * A badge at the corner of each container, at the end of each line, and at the corner of each folded project.
 * @param {Layout} layout
 * @param {Marks} marks
 * @returns {Element[]}
 */
export function badgeElements({ boxes, chips, lines }, marks) {
  const places = [
    ...chips.filter(({ cell }) => !cell.again).map(({ id, x, y, width, height }) => ({ id, ids: [id], x: x + width / 2 - 6, y: y - height / 2 })),
    ...lines.filter(({ id }) => id !== HOST).map(({ id, x, y, width }) => ({ id, ids: [id], x: x + width / 2 - 9, y: y - 10 })),
    ...boxes.filter(({ id, group }) => group.folded || id === HOST).map(({ id, group, x, y, width, height }) => ({
      id, ids: id === HOST ? [HOST] : [...group.inside, ...group.lines].map((one) => one.id), x: x + width / 2 - 18, y: y - height / 2 + 17 })),
  ];
  return places.flatMap(({ id, ids, x, y }) => {
    const found = ids.flatMap((one) => marks.get(one) ?? []);
    if (!found.length) return [];
    const { count, severity } = found.reduce((one, other) => added(one, other));
    return [{ data: { id: `badge:${id}`, label: String(count) }, classes: `badge ${severity}`, position: { x, y } }];
  });
}
