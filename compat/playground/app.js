// The page around it: tabs, language, light and dark, who answers, and the code for what is chosen.

import { base, call, forBrowser, key } from "./api.js";
import { at, copy, make, tabbed } from "./dom.js";
import { highlighted } from "./highlight.js";
import { put, say, toggle, value } from "./i18n.js";
import * as keys from "./key.js";
import { fill } from "./languages.js";
import * as live from "./live.js";
import { LANGUAGES, snippet } from "./snippets.js";
import { busy } from "./stage.js";
import * as translate from "./translate.js";
import * as upload from "./upload.js";

let language = LANGUAGES[0];
const TABS = { "panel-file": upload, "panel-live": live, "panel-translate": translate };

/** Shows the code for what is chosen. */
function code() {
  const shown = Object.keys(TABS).find((panel) => !at(panel).hidden);
  const ask = TABS[shown].asked();
  at("code").replaceChildren(...highlighted(snippet(language, { base, keyed: key() !== "", ...ask })));
  for (const button of at("code-languages").children) button.ariaPressed = String(button.textContent === language);
}

function offerLanguages() {
  const buttons = LANGUAGES.map((name) => {
    const choose = () => {
      language = name;
      code();
    };
    return Object.assign(make("button", "", name), { type: "button", onclick: choose });
  });
  at("code-languages").replaceChildren(...buttons);
}

function theme(wanted) {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = wanted ?? system;
}

/** Asks the server who answers, and for its models. Without a key that it asks for, neither is known. */
async function models() {
  const { body } = await call("/models").catch(() => ({ body: {} }));
  const engine = body.dashscope?.engine;
  const own = engine === "openai"; // another server, at COMPAT_ENGINE_URL
  value("engine", engine);
  at("demo").hidden = !engine || own;
  at("no-translator").hidden = !engine;
  at("no-translator").dataset.i18n = own ? "ownTranslator" : "noTranslator";
  at("tagline").dataset.i18n = own ? "ownTagline" : engine ? "demoTagline" : body.data ? "serviceTagline" : "tagline";
  put();
  at("models").replaceChildren(...(body.data ?? []).map(({ id }) => Object.assign(document.createElement("option"), { value: id })));
}

/** Shows the fields that what is chosen uses. */
function fit() {
  const { mode } = upload.asked();
  at("modes").hidden = mode === "translate";
  at("limits").hidden = mode === "stream" || mode === "translate";
  at("go").dataset.i18n = mode === "translate" ? "goTranslate" : "go";
  at("go").textContent = say(at("go").dataset.i18n);
  at("model").placeholder = upload.standard(mode);
  code();
}

theme(forBrowser.getItem("theme"));
document.addEventListener("language", fill);
put();
at("theme").onclick = () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  forBrowser.setItem("theme", next);
  theme(next);
  document.dispatchEvent(new Event("theme"));
};
at("language").onclick = toggle;
const tabs = document.querySelector("main > [role=tablist]");
tabbed(tabs, (tab) => {
  for (const one of tabs.children) at(one.getAttribute("aria-controls")).hidden = one !== tab;
  code();
});
keys.start(() => (code(), models()));
document.addEventListener("input", fit);
at("code-copy").onclick = () => copy(at("code").textContent);
offerLanguages();
upload.start();
live.start();
translate.start();
addEventListener("beforeunload", (event) => (upload.busy() || busy() || live.unsaved() || translate.unsaved()) && event.preventDefault());
fit();
models();
addEventListener("pageshow", () => (upload.restore(), fit())); // after the browser has put back what was filled in
