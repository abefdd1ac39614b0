/** If fewer than two containers run, the page offers to create the two of the tutorial, so that there is something to check. */
import { h, replace } from "./dom.js";
import { limit } from "./role.js";
import { confirmed, sent } from "./sending.js";

/**
 * @param {string} name
 * @param {number} port
 * @returns {Api["Call"]}
 */
const container = (name, port) => ({
  method: "POST",
  path: "/v1/containers",
  body: { name, image: "busybox", command: ["httpd", "-f", "-p", "8080"], pull: "missing", published_ports: [{ container_port: 8080, host_port: port }] },
});
const CALLS = [container("tomcat81", 8081), container("tomcat82", 8082)];

/**
 * Draw the offer into `place`, or remove it. `onMade` is called when both containers run.
 * @param {HTMLElement} place
 * @param {import("./model.js").Model} model
 * @param {() => void} onMade
 */
export function stage(place, model, onMade) {
  const running = model.containers.filter((one) => one.running).length;
  if (running > 1) place.replaceChildren();
  if (running > 1 || place.childElementCount) return;
  const outcome = h("div", {});
  const make = async () => {
    const summary = "Two small web servers on the default bridge, published on the host’s ports 8081 and 8082.";
    if ((await confirmed({ summary, calls: CALLS }, "Create the tutorial’s two containers?")) && (await sent(CALLS, outcome))) onMade();
  };
  const button = h("button", { type: "button", onclick: make }, "Create tomcat81 and tomcat82 …");
  replace(place, h("div", { class: "note" },
    h("p", {}, "Fewer than two containers run on this engine, so there is little to check. ",
      "Docker’s tutorial starts with two containers on the default bridge: one reaches the other by address, but not by name. See why:"),
    button, limit(button, CALLS), outcome));
}
