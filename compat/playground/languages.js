// The lists of languages: those that a model of the service takes as a parameter, and those that speech is translated into.

import { forBrowser } from "./api.js";
import { at } from "./dom.js";
import { say, tag } from "./i18n.js";

export const CODES = "zh yue en ja ko de fr es pt it ru ar hi id th tr uk vi nl cs da fil fi is ms no pl sv el hu ro bg hr sk".split(" ");

export const VOICED = "zh en ar de fr es pt id it ko ru th vi ja tr hi ms nl ur nb sv da he fi pl is cs fil fa".split(" ");
export const WRITTEN = "yue el af ast be bg bn bs ca ceb et gl gu hr hu jv kk kn ky lv mk ml mr pa ro sk sl sw tg az uk".split(" ");
export const RIGHT_TO_LEFT = ["ar", "he", "ur", "fa"];

const option = (code, name) => Object.assign(document.createElement("option"), { value: code, textContent: name });

/** Fills all lists in the page's language, and keeps what was chosen. */
export function fill() {
  const names = new Intl.DisplayNames([tag()], { type: "language" });
  for (const list of [at("spoken"), at("live-spoken")]) {
    const { value } = list;
    list.replaceChildren(option("", say("auto")), ...CODES.map((code) => option(code, `${names.of(code)} (${code})`)));
    list.value = value;
  }
  const { value } = at("target");
  const { compare } = new Intl.Collator(tag());
  const group = (label, codes) => {
    const found = codes.map((code) => [names.of(code), code]).toSorted(([one], [other]) => compare(one, other));
    const made = Object.assign(document.createElement("optgroup"), { label: say(label) });
    made.append(...found.map(([name, code]) => option(code, `${name} (${code})`)));
    return made;
  };
  at("target").replaceChildren(group("voiced", VOICED), group("written", WRITTEN));
  at("target").value = value || forBrowser.getItem("target") || (tag() === "en" ? "es" : "zh");
}
