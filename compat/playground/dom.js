// What every part of the page uses: elements, announcements, errors, tags, the clipboard, downloads.

import { advice, say } from "./i18n.js";

export const at = (id) => document.getElementById(id);

export const make = (tag, name, text) => Object.assign(document.createElement(tag), { className: name, textContent: text });

let forget = 0;

/** Shows a text for a while, or with `stay` until the next, and has a screen reader read it. */
export function announce(text, { stay = false } = {}) {
  at("status").textContent = text;
  clearTimeout(forget);
  if (!stay) forget = setTimeout(() => (at("status").textContent = ""), 4000);
}

const FOLDED = 200; // characters
const shown = new Map(); // errors by the node that shows them, to be translated

/** The server's message, which is in English. A long one is folded. */
function message(text) {
  if (text.length < FOLDED) return Object.assign(make("p", "", text), { lang: "en" });
  const folded = document.createElement("details");
  folded.append(make("summary", "", say("server")), Object.assign(make("p", "", text), { lang: "en" }));
  return folded;
}

/** Shows an error: what it means and what to do, the server's message, and what to search the server's log for. */
export function complain(node, error) {
  shown.set(node, error);
  const where = [error.status && `HTTP ${error.status}`, error.code, error.param].filter(Boolean).join(" · ");
  const lines = [make("b", "", where), make("p", "", advice(error))];
  if (error.retry > 0) lines.push(make("p", "", say("retryAfter", { s: error.retry })));
  if (error.message) lines.push(message(error.message));
  if (error.id) lines.push(make("p", "small", `${say("requestId")} ${error.id}`));
  node.replaceChildren(...lines);
  node.hidden = false;
}

export function calm(node) {
  shown.delete(node);
  node.hidden = true;
}

document.addEventListener("language", () => shown.forEach((error, node) => complain(node, error)));

/** Makes a change of the page by which a node that is in view does not leave it. */
export function inView(node, change) {
  const { top, bottom } = node.getBoundingClientRect();
  change();
  if (top >= 0 && bottom <= innerHeight + 1) node.scrollIntoView({ block: "nearest" });
}

/** Changes what a scrolling node contains. It scrolls with the end, unless the reader has scrolled back. */
export function growing(node, change) {
  const following = node.scrollHeight - node.scrollTop - node.clientHeight < 40;
  inView(node, change);
  if (following) node.scrollTop = node.scrollHeight;
}

/** Changes the text of a node, and keeps the beginning if it stays: with it stay a reader's selection, and what a screen reader
 *  has read. */
export function grow(node, text) {
  const { textContent: before } = node;
  if (!text.startsWith(before)) node.textContent = text;
  else if (text !== before) node.append(text.slice(before.length));
}

export function tags(node, list) {
  node.replaceChildren(...list.filter(Boolean).map((text) => make("span", "", text)));
}

/** Copies a text, also where browsers have no clipboard: on pages that another machine serves by plain http. Returns whether
 *  it was copied. */
export async function copy(text) {
  const written = navigator.clipboard?.writeText(text).then(() => true, () => false); // it may not be allowed
  const copied = (await written) || copiedByCommand(text);
  announce(say(copied ? "copied" : "notCopied"));
  return copied;
}

function copiedByCommand(text) {
  const focused = document.activeElement;
  const box = document.body.appendChild(Object.assign(make("textarea", "hidden", ""), { value: text }));
  box.select();
  const copied = document.execCommand("copy");
  box.remove();
  focused?.focus({ preventScroll: true });
  return copied;
}

export function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Makes the tabs of a list follow clicks and arrow keys. `select` shows the panel of a tab. */
export function tabbed(list, select) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const choose = (tab) => {
    for (const one of tabs) {
      one.ariaSelected = String(one === tab);
      one.tabIndex = one === tab ? 0 : -1;
    }
    select(tab);
  };
  list.addEventListener("click", ({ target }) => tabs.includes(target) && choose(target));
  list.addEventListener("keydown", (event) => {
    const usable = tabs.filter((tab) => !tab.disabled);
    const here = usable.indexOf(event.target);
    const next = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: -1 }[event.key];
    if (here < 0 || next === undefined) return;
    event.preventDefault();
    const tab = usable.at(next % usable.length);
    choose(tab);
    tab.focus();
  });
  return choose;
}
