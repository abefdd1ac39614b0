/** The dialog that asks for the token, and the button that forgets it. */
import { token } from "./api.js";
import { byId, Emitter } from "./dom.js";

/** @type {Emitter<{enter: null}>} `enter`: a token was given */
export const entrance = new Emitter();
const dialog = byId("token-dialog", HTMLDialogElement);
const field = byId("token-field", HTMLInputElement);

/** @param {string} words why the token is asked for again */
export function ask(words) {
  byId("token-problem").textContent = words;
  field.setAttribute("aria-invalid", String(Boolean(words)));
  if (!dialog.open) dialog.showModal();
}

byId("leave").addEventListener("click", () => {
  token.forget();
  location.reload();
});
dialog.addEventListener("cancel", (event) => event.preventDefault());
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(field.value.trim());
  field.value = "";
  dialog.close();
  entrance.emit("enter", null);
});
