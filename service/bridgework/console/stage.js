/** Where fewer than two containers run, the page offers the two of the tutorial, so that there is something to ask. */
import { h, replace } from "./dom.js";
import { confirmed, sent } from "./findings.js";
import { limit } from "./role.js";

const container = (name, port) => ({
  method: "POST",
  path: "/v1/containers",
  body: { name, image: "busybox", command: ["httpd", "-f", "-p", "8080"], pull: "missing", published_ports: [{ container_port: 8080, host_port: port }] },
});
const CALLS = [container("tomcat81", 8081), container("tomcat82", 8082)];

/** Draw the offer into `place`, or take it away. `onMade` is called when both are there. */
export function stage(place, model, onMade) {
  const running = model.containers.filter((one) => one.running).length;
  if (running > 1) return place.replaceChildren();
  if (place.childElementCount) return undefined;
  const outcome = h("div", {});
  const make = async () => {
    const summary = "Two small web servers on the default bridge, published on the host’s ports 8081 and 8082.";
    if ((await confirmed({ summary, calls: CALLS }, "Make the tutorial’s two containers?")) && (await sent(CALLS, outcome))) onMade();
  };
  const button = h("button", { type: "button", onclick: make }, "Make tomcat81 and tomcat82 …");
  return replace(place, h("div", { class: "note" },
    h("p", {}, "Fewer than two containers run here, so there is little to ask. ",
      "The Docker tutorial starts with two on the default bridge: one reaches the other by address, yet not by name. See why:"),
    button, limit(button, CALLS), outcome));
}
