/**
 * Which projects are drawn as one box. A large engine starts with all of them folded, so that it fits the view. What a
 * person folds or unfolds stays so.
 *
 * @import { EngineModel } from "./model.js"
 */
import { announce, byId, printable } from "./dom.js";
import { ownerOf } from "./groups.js";

/** With more containers than this, projects start folded. */
const UNFOLDED_UP_TO = 60;
const projectKey = (/** @type {string} */ project) => `project:${project}`;

export class Folds {
  #button = byId("fold", HTMLButtonElement);
  /** What a person chose, by project. @type {Map<string, boolean>} */
  #chosen = new Map();
  /** @type {string[]} */
  #projects = [];
  #large = false;
  #onChange;

  /** @param {(all: boolean) => void} onChange `all`: every project is folded or unfolded */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#button.addEventListener("click", () => this.#all(!this.#projects.every(this.has)));
  }

  /** @param {string} project */
  has = (project) => this.#chosen.get(project) ?? this.#large;

  /** @param {EngineModel} model */
  know({ networks, containers }) {
    this.#projects = [...new Set(networks.flatMap(({ project }) => (project ? [project] : [])))];
    this.#large = this.#projects.length > 1 && containers.length > UNFOLDED_UP_TO;
    this.#button.hidden = !this.#projects.length;
    this.#button.textContent = this.#projects.every(this.has) ? "Unfold projects" : "Fold projects";
  }

  /** @param {boolean} fold */
  #all(fold) {
    for (const project of this.#projects) this.#chosen.set(project, fold);
    announce(fold ? "Each project is one box." : "Every container is shown.");
    this.#onChange(true);
  }

  /** @param {string} id of a project's box */
  toggle(id) {
    const project = id.slice(projectKey("").length);
    this.#chosen.set(project, !this.has(project));
    announce(`${printable(project)} is ${this.has(project) ? "folded" : "unfolded"}.`);
    this.#onChange(false);
  }

  /**
   * Unfold the project that a container or a network is in.
   * @param {string} id
   * @param {EngineModel | null} model
   */
  open(id, model) {
    const key = this.around(id, model);
    if (key) this.toggle(key);
  }

  /**
   * The id of the folded project that a container or a network is in; nothing if it is drawn.
   * @param {string} id
   * @param {EngineModel | null} model
   */
  around(id, model) {
    if (!model) return "";
    const container = model.containerOf.get(id);
    const owner = container && ownerOf(container, model);
    const networks = owner ? owner.endpoints.map(({ network }) => network).filter(({ project }) => project && project === owner.project) : [model.networkOf.get(id)];
    const project = networks[0]?.project;
    return project && this.has(project) ? projectKey(project) : "";
  }
}
