/**
 * The engine's projects, of Docker Compose or of the service, and the graph of one of them.
 *
 * @import { Graph } from "./model.js"
 */
import { byId, h } from "./dom.js";

/**
 * The graph of one project: what belongs to it, the networks of its containers, and the containers on its networks. The
 * service's `?project=` keeps the same.
 * @param {Graph} graph
 * @param {string} project everything if it is empty
 * @returns {Graph}
 */
export function within(graph, project) {
  if (!project) return graph;
  const own = new Set(graph.nodes.filter((node) => node.attributes.project === project).map((node) => node.id));
  const ties = graph.edges.filter(({ kind }) => kind === "endpoint" || kind === "shares-network");
  const near = new Set(ties.flatMap(({ source, target }) => (own.has(source) || own.has(target) ? [source, target] : [])));
  const kept = (/** @type {Api["Node"]} */ { id, kind }) => (kind !== "network" && kind !== "container") || own.has(id) || near.has(id);
  return { ...graph, nodes: graph.nodes.filter(kept) };
}

/**
 * Offer the projects of a graph. Returns the chosen one, or nothing for everything.
 * @param {HTMLSelectElement} projects
 * @param {Graph} found
 * @param {string} wanted
 */
export function offered(projects, found, wanted) {
  const names = [...new Set(found.nodes.map((node) => String(node.attributes.project ?? "")))].filter(Boolean).sort();
  byId("project-field").hidden = names.length === 0;
  projects.replaceChildren(h("option", { value: "" }, "all"), ...names.map((name) => h("option", {}, name)));
  projects.value = names.includes(wanted) ? wanted : "";
  return projects.value;
}
