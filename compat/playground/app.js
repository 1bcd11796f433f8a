// The page around it: tabs, key, language, light and dark, and the code for what is chosen.

import { base, call, forBrowser, forTab, key } from "./api.js";
import { put, say, toggle } from "./i18n.js";
import * as live from "./live.js";
import { LANGUAGES, snippet } from "./snippets.js";
import * as upload from "./upload.js";

const at = (id) => document.getElementById(id);
const tabs = [at("tab-file"), at("tab-live")];
let language = LANGUAGES[0];

function select(tab) {
  for (const one of tabs) {
    one.ariaSelected = String(one === tab);
    one.tabIndex = one === tab ? 0 : -1;
    at(one.getAttribute("aria-controls")).hidden = one !== tab;
  }
  code();
}

function code() {
  const ask = at("panel-file").hidden ? live.asked() : upload.asked();
  at("code").textContent = snippet(language, { base, keyed: key() !== "", ...ask });
  at("code-languages").replaceChildren(
    ...LANGUAGES.map((name) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      button.ariaPressed = String(name === language);
      button.onclick = () => {
        language = name;
        code();
        at("code-languages").children[LANGUAGES.indexOf(name)].focus();
      };
      return button;
    }),
  );
}

function theme(wanted) {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = wanted ?? system;
}

async function models() {
  const { body } = await call("/models").catch(() => ({ body: {} })); // without a key it is not known who answers
  const demo = Boolean(body.dashscope?.engine); // it answers in DashScope's place, whatever the model
  at("demo").hidden = !demo;
  at("tagline").dataset.i18n = demo ? "demoTagline" : body.data ? "serviceTagline" : "tagline";
  put();
  at("models").replaceChildren(...(body.data ?? []).map(({ id }) => Object.assign(document.createElement("option"), { value: id })));
}

function hints() {
  const { mode, model } = upload.asked();
  at("model").placeholder = model;
  at("limits").hidden = mode === "stream";
}

theme(forBrowser.getItem("theme"));
put();
at("theme").onclick = () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  forBrowser.setItem("theme", next);
  theme(next);
};
at("language").onclick = () => (toggle(), code());
for (const tab of tabs) {
  tab.onclick = () => select(tab);
  tab.onkeydown = ({ key: pressed }) => {
    if (pressed !== "ArrowLeft" && pressed !== "ArrowRight") return;
    const other = tabs[1 - tabs.indexOf(tab)];
    select(other);
    other.focus();
  };
}
at("key").value = key();
at("key-state").hidden = !key();
at("key").onchange = () => {
  forTab.setItem("key", at("key").value.trim());
  at("key-state").hidden = !key();
  code();
  models();
};
document.addEventListener("click", ({ target }) => {
  if (!at("key-box").contains(target)) at("key-box").open = false;
});
document.addEventListener("keydown", ({ key: pressed }) => {
  if (pressed !== "Escape" || !at("key-box").open) return;
  at("key-box").firstElementChild.focus(); // and what was entered counts
  at("key-box").open = false;
});
document.addEventListener("input", () => (hints(), code()));
at("code-copy").onclick = () => upload.copy(at("code").textContent);
upload.start();
live.start();
hints();
code();
models();
addEventListener("pageshow", () => (upload.restore(), hints(), code())); // after the browser has put back what was filled in
