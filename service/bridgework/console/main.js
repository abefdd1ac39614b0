/**
 * Connects the parts of the page: what is chosen, what is shown, and which part hears of a change.
 *
 * @import { Trouble } from "./api.js"
 * @import { Graph, Model, Thing } from "./model.js"
 * @import { State } from "./status.js"
 */
import { Problem, session, token } from "./api.js";
import { byId } from "./dom.js";
import { ask, entrance } from "./entry.js";
import { nameEngine, summarise } from "./heading.js";
import { linked, relink, trail } from "./link.js";
import { Live } from "./live.js";
import { HOST, read, signature } from "./model.js";
import { know, naming } from "./names.js";
import { askLine, check, diagnostics, explore, exposure, inside, matrix, picture, reach, whatIf } from "./parts.js";
import { offered, within } from "./projects.js";
import { introduce } from "./role.js";
import { Status } from "./status.js";
import { NO_OTHERS, Swarm, widened } from "./swarm.js";
import { tabs } from "./tabs.js";
import { connect } from "./ways.js";

const status = new Status();
const RETRY_MS = 5000;
/** @type {(state: State, problem?: Trouble) => void} */
const showState = (state, problem) => status.show(state, problem);
/** @type {Model | null} */
let model = null;
/** The engine, also where the page shows only one project: checks go from any container to any other. @type {Model | null} */
let whole = null;
/** @type {Graph | null} */
let graph = null;
/** @type {Live | null} */
let live = null;
/** @type {Swarm | null} */
let swarm = null;
let others = NO_OTHERS;
/** @type {Thing | null} */
let chosen = null;

/** What the page's address says, before the parts write into it. */
let start = place();
const projects = byId("project", HTMLSelectElement);
const panels = tabs(byId("panel-tabs"), (id) => {
  if (!live) return;
  relink({ tab: id === "panel-check" ? "" : id.replace("panel-", "") });
  if (id === "panel-diagnostics") diagnostics.open();
});
const views = tabs(byId("view-tabs"), (id) => {
  if (live) relink({ view: id === "view-picture" ? "" : id.replace("view-", "") });
  if (id === "view-picture") picture.draw(model);
  if (id === "view-exposure" && live) exposure.open();
  if (id === "view-reach") reach.open();
});

function place() {
  return { tab: linked("tab"), view: linked("view"), thing: linked("thing") };
}

/**
 * @param {Graph} found
 * @param {boolean} known whether the engine is as it was when the page showed it last
 */
function showGraph(found, known) {
  const first = model === null;
  const project = offered(projects, found, first ? linked("project") : projects.value);
  model = widened(read(within(found, project)), others);
  whole = project ? widened(read(found), others) : model;
  know(whole);
  picture.draw(model);
  explore.update(model);
  offer();
  if (!known) {
    diagnostics.stale();
    exposure.stale();
    reach.stale();
  }
  if (first) follow(model);
  if (chosen && !model.containerOf.has(chosen.id) && !model.networkOf.has(chosen.id) && chosen.id !== HOST) choose(null);
  else if (chosen && graph && signature(found, chosen.id) !== signature(graph, chosen.id)) inside.show(chosen, model);
  graph = found;
}

/**
 * Show what the page's address says.
 * @param {Model} found
 */
function follow(found) {
  const [kind, name] = start.thing.split(":");
  const list = kind === "container" ? found.containers : kind === "network" ? found.networks : [];
  const id = kind === HOST ? HOST : list.find((one) => one.name === name)?.id;
  if (kind && id) choose({ kind, id });
  views.show(`view-${start.view}`);
  panels.show(`panel-${start.tab}`);
}

/** Show what can be checked, on this engine and on other nodes. */
function offer() {
  if (!model || !whole) return;
  summarise(model);
  check.update(whole);
  matrix.update(model, projects.value);
  exposure.update(model, projects.value);
  reach.update(whole);
  whatIf.update(whole);
  askLine.update(whole);
}

/** @param {typeof NO_OTHERS} found */
function showOthers(found) {
  others = found;
  if (!model || !whole) return;
  [model, whole] = [widened(model, others), widened(whole, others)];
  offer();
}

/**
 * Mark a thing in the picture and in the list, and show its details.
 * @param {Thing | null} thing
 */
function choose(thing) {
  if (!model) return;
  chosen = thing;
  picture.select(thing?.id ?? null);
  explore.mark(thing?.id ?? null);
  const name = thing && (model.containerOf.get(thing.id) ?? model.networkOf.get(thing.id))?.name;
  relink({ thing: thing ? [thing.kind, name].filter(Boolean).join(":") : "" });
  if (thing) panels.show("panel-explore");
  inside.show(thing, model);
}

trail.on("return", () => {
  start = place();
  if (!start.thing && chosen) choose(null);
  if (model) follow(model);
});
askLine.on("choose", (thing) => visit(thing));
picture.on("choose", choose);
/** @param {Thing} thing chosen by its name, in a list or in a sentence */
function visit(thing) {
  choose(thing);
  byId("inside").scrollIntoView({ block: "start" });
  byId("inside").querySelector("h2")?.focus({ preventScroll: true });
}

explore.on("choose", visit);
naming.on("choose", visit);
explore.on("filter", (keep) => picture.filter(keep));
connect({ panels, views, refresh: () => live?.refresh() });

/** Ask for the token if this tab has none, and start. A token that the service refuses is asked for again. */
async function enter() {
  if (!token.get()) {
    ask("");
    return;
  }
  try {
    await introduce();
    byId("leave").hidden = false;
    await nameEngine();
    live = new Live(showGraph, showState);
    swarm = new Swarm(showOthers);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 401) return;
    showState("lost", problem);
    setTimeout(enter, RETRY_MS);
  }
}

/** @param {string} words */
function leave(words) {
  live?.end();
  swarm?.end();
  [live, swarm] = [null, null];
  token.forget();
  ask(words);
}

entrance.on("enter", enter);
session.on("token-refused", ({ message }) => leave(message));
projects.addEventListener("change", () => {
  relink({ project: projects.value });
  if (!graph) return;
  showGraph(graph, true);
  picture.arrange();
});
views.show("view-picture");
panels.show("panel-check");
enter();
