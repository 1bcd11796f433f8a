// The key of this server: a dialog that opens when the server refuses a request with 401.

import { forTab, key } from "./api.js";
import { at, calm } from "./dom.js";
import { say } from "./i18n.js";

/** `changed` is called after another key was entered. */
export function start(changed) {
  const dialog = at("key-dialog");
  const dot = () => (at("key-state").hidden = !key());
  const open = (refused) => {
    if (dialog.open) return;
    at("key-why").hidden = !refused;
    at("key-why").dataset.i18n = key() ? "keyWrong" : "keyWhy";
    at("key-why").textContent = say(at("key-why").dataset.i18n);
    at("key").value = key();
    dialog.showModal();
    at("key").select();
  };
  dialog.onclose = () => {
    const entered = at("key").value.trim();
    if (entered === key()) return;
    if (entered) forTab.setItem("key", entered);
    else forTab.removeItem("key");
    dot();
    for (const id of ["file-error", "live-error", "translate-error"]) calm(at(id)); // they may be of the key before
    changed();
  };
  at("key-form").onsubmit = (event) => {
    event.preventDefault();
    dialog.close();
  };
  at("key-cancel").onclick = () => {
    at("key").value = key();
    dialog.close();
  };
  dialog.onclick = ({ target }) => {
    if (target === dialog) dialog.close(); // beside the form is the backdrop
  };
  at("key-open").onclick = () => open(false);
  document.addEventListener("unauthorized", () => open(true));
  dot();
}
