// Puts the words on the page. Elements name theirs: data-i18n, data-i18n-label, data-i18n-hint (a placeholder),
// data-i18n-empty (of what has no content yet).

import { forBrowser } from "./api.js";
import { ADVICE } from "./errors.js";
import { WORDS } from "./words.js";

let tongue = forBrowser.getItem("language") ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
const values = {}; // for words with data-i18n

const filled = (text, given) => text.replace(/\{(\w+)\}/g, (whole, name) => given[name] ?? whole);

/** The words of a name, with values for what is in braces. */
export const say = (name, given = values) => filled(WORDS[tongue][name], given);

/** Remembers a value for words that the page's elements name. */
export const value = (name, text) => (values[name] = text);

/** The language of the page as a tag. */
export const tag = () => (tongue === "zh" ? "zh-CN" : "en");

/** What an error means and what to do about it. */
export function advice({ code, param }) {
  const [english, chinese] = ADVICE[code] ?? ADVICE.other;
  return tongue === "zh" ? filled(chinese, { param: param ?? "（未指明）" }) : filled(english, { param: param ?? "the value" });
}

export function put() {
  document.documentElement.lang = tag();
  for (const node of document.querySelectorAll("[data-i18n]")) node.textContent = say(node.dataset.i18n);
  for (const node of document.querySelectorAll("[data-i18n-label]")) node.ariaLabel = say(node.dataset.i18nLabel);
  for (const node of document.querySelectorAll("[data-i18n-hint]")) node.placeholder = say(node.dataset.i18nHint);
  for (const node of document.querySelectorAll("[data-i18n-empty]")) node.dataset.empty = say(node.dataset.i18nEmpty);
  const other = document.getElementById("language");
  other.textContent = tongue === "zh" ? "English" : "中文";
  other.lang = tongue === "zh" ? "en" : "zh-CN";
  document.dispatchEvent(new Event("language"));
}

export function toggle() {
  tongue = tongue === "zh" ? "en" : "zh";
  forBrowser.setItem("language", tongue);
  put();
}
