/**
 * Names of containers and networks as buttons that show the thing. Findings are sentences of the service; a word in them
 * is a name if the engine has a thing of that name.
 *
 * @import { Model, Thing } from "./model.js"
 */
import { Emitter, h, within } from "./dom.js";

/** @type {Emitter<{choose: Thing}>} */
export const naming = new Emitter();
/** @type {Map<string, Thing>} */
let things = new Map();

/** @param {Model} model */
export function know({ networks, containers }) {
  // The engine's own networks have words as names that a sentence uses in another sense, such as `host` and `bridge`.
  things = new Map([...networks.filter((one) => !one.builtin), ...containers].map(({ name, id, kind }) => [name, { id, kind }]));
}

/** @param {string} text */
export function withNames(text) {
  return text.split(/([\w][\w.-]*[\w]|\w)/).map((word) => {
    const thing = things.get(word);
    return thing ? h("button", { type: "button", class: "name-link", "data-id": thing.id, "data-kind": thing.kind }, word) : word;
  });
}

document.addEventListener("click", (event) => {
  const { id, kind } = within(event, ".name-link")?.dataset ?? {};
  if (id && kind) naming.emit("choose", { id, kind });
});
