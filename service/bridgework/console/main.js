/** Ties the page together: who is chosen, what is shown, and where news goes. */
import { call, token } from "./api.js";
import { Check } from "./check.js";
import { Diagnostics } from "./diagnostics.js";
import { byId, plural } from "./dom.js";
import { Explore } from "./explore.js";
import { Inside } from "./inside.js";
import { Live } from "./live.js";
import { Matrix } from "./matrix.js";
import { HOST, isDrawn, read, signature } from "./model.js";
import { Picture } from "./picture.js";
import { introduce } from "./role.js";
import { Status } from "./status.js";
import { NOBODY, Swarm, widened } from "./swarm.js";
import { tabs } from "./tabs.js";

const status = new Status();
const showState = (state, problem) => status.show(state, problem);
const [picture, explore, inside, check, matrix, diagnostics] = [new Picture(), new Explore(), new Inside(), new Check(), new Matrix(), new Diagnostics()];
let model = null;
let graph = null;
let live = null;
let swarm = null;
let others = NOBODY;
let chosen = null;

const panels = tabs(byId("panel-tabs"), (id) => id === "panel-diagnostics" && diagnostics.open());
const views = tabs(byId("view-tabs"), (id) => id === "view-picture" && picture.draw(model));

function showGraph(document) {
  const first = model === null;
  model = widened(read(document), others);
  picture.draw(model);
  explore.update(model);
  offer();
  if (!first) diagnostics.stale();
  if (chosen && !model.containerOf.has(chosen.id) && !model.networkOf.has(chosen.id) && chosen.id !== HOST) choose(null);
  else if (chosen && signature(document, chosen.id) !== signature(graph, chosen.id)) inside.show(chosen, model);
  graph = document;
}

/** What there is to ask about, on this engine and beyond it. */
function offer() {
  const networks = model.networks.filter(isDrawn);
  const there = model.elsewhere.size ? ` · ${model.elsewhere.size.toLocaleString("en")} on other nodes` : "";
  byId("summary").textContent = `${plural(networks.length, "network")} · ${plural(model.containers.length, "container")}, ${model.containers.filter((one) => one.running).length} running${there}`;
  check.update(model);
  matrix.update(model);
}

function showOthers(found) {
  others = found;
  if (!model) return;
  model = widened(model, others);
  offer();
}

/** Show a thing from the picture or the list, in both and from inside. */
function choose(thing, { open = true } = {}) {
  chosen = thing;
  picture.select(thing?.id ?? null);
  explore.mark(thing?.id ?? null);
  if (thing && open) panels.show("panel-explore");
  inside.show(thing, model);
}

function aim(ends, run = false) {
  check.aim(ends);
  panels.show("panel-check");
  if (run) check.run();
}

picture.addEventListener("choose", ({ detail }) => choose(detail));
explore.addEventListener("choose", ({ detail }) => {
  choose(detail);
  byId("inside").scrollIntoView({ block: "start" });
  byId("inside").querySelector("h2")?.focus({ preventScroll: true });
});
explore.addEventListener("filter", ({ detail }) => picture.filter(detail));
inside.addEventListener("check", ({ detail }) => aim({ [detail.role]: detail.id }));
check.addEventListener("journey", ({ detail }) => picture.journey(detail));
matrix.addEventListener("check", ({ detail }) => aim(detail, true));
for (const part of [inside, check, diagnostics]) {
  for (const news of ["changed", "mended"]) part.addEventListener(news, () => live?.refresh());
}

/** The token is asked for once and kept for this tab; a wrong one is asked for again. */
async function enter() {
  if (!token.get()) return ask("");
  try {
    await introduce();
    byId("leave").hidden = false;
    const engine = await call("GET", "/v1/engine");
    byId("engine").textContent = `Docker ${engine.version} on ${engine.name}`;
    byId("engine").title = `API ${engine.api_version}, ${engine.operating_system}. Checks: ${engine.probe_runner.reason}`;
    byId("runner").textContent = { namespace: "checks run inside each container’s namespace", sidecar: "checks run in a helper container", unavailable: "checks cannot run" }[engine.probe_runner.kind];
    live = new Live(showGraph, showState);
    swarm = new Swarm(showOthers);
  } catch (problem) {
    if (problem.status === undefined) throw problem;
    if (problem.status !== 401) {
      showState("lost", problem);
      setTimeout(enter, 5000);
    }
  }
  return undefined;
}

function ask(words) {
  byId("token-problem").textContent = words;
  byId("token-field").setAttribute("aria-invalid", String(Boolean(words)));
  if (!byId("token-dialog").open) byId("token-dialog").showModal();
}

function leave(words) {
  live?.end();
  swarm?.end();
  live = swarm = null;
  token.forget();
  ask(words);
}

globalThis.addEventListener("token-refused", ({ detail }) => leave(detail.message));
byId("leave").addEventListener("click", () => location.reload(token.forget()));
byId("token-dialog").addEventListener("cancel", (event) => event.preventDefault());
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(byId("token-field").value.trim());
  byId("token-field").value = "";
  byId("token-dialog").close();
  enter();
});
views.show("view-picture");
panels.show("panel-check");
enter();
