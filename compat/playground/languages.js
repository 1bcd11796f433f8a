// The lists of languages: those that a model of the service takes as a parameter.

import { at } from "./dom.js";
import { say, tag } from "./i18n.js";

export const CODES = "zh yue en ja ko de fr es pt it ru ar hi id th tr uk vi nl cs da fil fi is ms no pl sv el hu ro bg hr sk".split(" ");

/** Fills both lists in the page's language, and keeps what was chosen. */
export function fill() {
  const names = new Intl.DisplayNames([tag()], { type: "language" });
  for (const list of [at("spoken"), at("live-spoken")]) {
    const { value } = list;
    const option = (code, name) => Object.assign(document.createElement("option"), { value: code, textContent: name });
    list.replaceChildren(option("", say("auto")), ...CODES.map((code) => option(code, `${names.of(code)} (${code})`)));
    list.value = value;
  }
}
