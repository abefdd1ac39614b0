/**
 * The head of the page: which engine it shows, what is on the engine, and the jump to the picture.
 *
 * @import { Model } from "./model.js"
 */
import { call } from "./api.js";
import { byId, plural, printable } from "./dom.js";
import { isDrawn } from "./model.js";

/** Read which engine this is and how its checks run, and show it. */
export async function nameEngine() {
  /** @type {Api["Engine"]} */
  const engine = await call("GET", "/v1/engine");
  byId("engine").textContent = printable(`Docker ${engine.version} on ${engine.name}`);
  byId("engine").title = `API ${engine.api_version}, ${engine.operating_system}. Checks: ${engine.probe_runner.reason}`;
  byId("runner").textContent = { namespace: "checks run inside each container’s namespace", sidecar: "checks run in a helper container", unavailable: "checks cannot run" }[engine.probe_runner.kind];
}

/** Count what the page shows. @param {Model} model */
export function summarise(model) {
  const networks = model.networks.filter(isDrawn);
  const there = model.elsewhere.size ? ` · ${model.elsewhere.size.toLocaleString("en")} on other nodes` : "";
  byId("summary").textContent = `${plural(networks.length, "network")} · ${plural(model.containers.length, "container")}, ${model.containers.filter((one) => one.running).length} running${there}`;
}

byId("jump").addEventListener("click", (event) => {
  event.preventDefault(); // the address holds what is asked, not a place on the page
  byId("view-tabs").querySelector("button")?.focus();
});
