// What is said and its translation, side by side. The server says which text follows which, not which belongs together: a
// pair ends in a pause, or where both of its sides have ended a sentence and the speaker goes on.

import { at, grow, growing, make } from "./dom.js";
import { RIGHT_TO_LEFT } from "./languages.js";

const [PAUSE, LONG_PAUSE] = [1000, 4000]; // milliseconds without text
const ENDED = /[.!?…。！？؟।॥။។]["'”’」』）)]*\s*$/;

let pairs = []; // {source, target}
let nodes = []; // [source, target] of each
let last = 0; // when text came
let over = true; // whether what follows belongs to another session

function complete(kind) {
  if (over) return true;
  const pair = pairs.at(-1);
  if (!pair.source.trim() || !pair.target.trim()) return false;
  const [both, pause] = [ENDED.test(pair.source) && ENDED.test(pair.target), performance.now() - last];
  return pause > LONG_PAUSE || (both && (kind === "source" || pause > PAUSE));
}

function begin(language) {
  const source = Object.assign(make("p", "source", ""), { dir: "auto", ariaLive: "off" });
  const dir = RIGHT_TO_LEFT.includes(language) ? "rtl" : "auto"; // also if it begins with a Latin name
  const target = Object.assign(make("p", "target", ""), { dir, lang: language });
  const row = make("div", "pair", "");
  row.append(source, target);
  at("pairs").append(row);
  pairs.push({ source: "", target: "" });
  nodes.push([source, target]);
}

/** Appends text. `kind` is "source" or "target", `language` that of the target. */
export function add(kind, text, language) {
  growing(at("pairs"), () => {
    if (complete(kind)) begin(language);
    const pair = pairs.at(-1);
    pair[kind] += pair[kind] ? text : text.trimStart();
    grow(nodes.at(-1)[kind === "source" ? 0 : 1], pair[kind]);
  });
  [last, over] = [performance.now(), false];
}

const spoken = () => pairs.map(({ source, target }) => ({ source: source.trim(), target: target.trim() })).filter(({ source, target }) => source || target);

export const empty = () => !spoken().length;

/** Ends the pair: what follows belongs to another session. */
export function end() {
  over = true;
}

export function clear() {
  [pairs, nodes] = [[], []];
  at("pairs").replaceChildren();
}

export const plain = () => spoken().map(({ source, target }) => `${source}\n${target}\n`).join("\n");

export function json(details) {
  const list = spoken();
  const column = (kind) => list.map((pair) => pair[kind]).filter(Boolean).join("\n");
  return JSON.stringify({ ...details, source: column("source"), translation: column("target"), pairs: list.map(({ source, target }) => ({ source, translation: target })) }, null, 2);
}
