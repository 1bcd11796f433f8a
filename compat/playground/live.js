// Live captions: settled words dark, tentative ones light. They stay over several sessions.

import { plain, srt, vtt } from "./captions.js";
import { at, complain, copy, grow, growing, make, save, tags } from "./dom.js";
import { say } from "./i18n.js";
import { SLOW } from "./line.js";
import { listed } from "./snippets.js";
import { stage } from "./stage.js";
import { Talk } from "./talk.js";

let turns = []; // {text, start, end}
let nodes = new Map(); // [settled, tentative] by turn
let before = 0; // seconds of the sessions before
let delays = new Map();
let unsent = 0; // seconds of sound
let saved = true; // whether what is shown has been copied or downloaded

/** Whether captions would be lost with this page. */
export const unsaved = () => turns.length > 0 && !saved;

export const asked = () => ({
  mode: "live", model: at("live-model").value.trim() || "gpt-live-transcribe", language: at("live-spoken").value,
  prompt: at("live-prompt").value.trim(), keywords: listed(at("live-keywords").value), transport: at("live-transport").value,
});

/** The text that may change follows a sentence without the space between them. */
const spaced = (settled, light) => (/[.,;:!?]$/.test(settled) && /^[\p{L}\p{N}]/u.test(light) ? ` ${light}` : light);

function report({ turn, stash, tags: details, delay, error, unsent: waiting = unsent }) {
  if (turn && !turn.text && !stash) remove(turn);
  else if (turn) {
    growing(at("captions"), () => {
      if (!nodes.has(turn)) add(turn);
      const [settled, tentative] = nodes.get(turn);
      grow(settled, turn.text);
      tentative.textContent = spaced(turn.text, stash);
    });
    saved = false;
  }
  if (details?.language || details?.emotion) tags(at("live-tags"), [details.language, details.emotion]);
  if (delay) delays.set(...delay);
  if (delay || waiting !== unsent) {
    unsent = waiting;
    times();
  }
  if (error) complain(at("live-error"), error);
}

/** Takes away a turn without words. */
function remove(turn) {
  nodes.get(turn)?.[0].parentNode.remove();
  nodes.delete(turn);
  turns = turns.filter((other) => other !== turn);
}

function add(turn) {
  const parts = [make("span", "", ""), make("span", "stash", "")];
  const line = Object.assign(make("p", "", ""), { dir: "auto" });
  line.append(...parts);
  at("captions").append(line);
  nodes.set(turn, parts);
  turns.push(turn);
  at("live-downloads").hidden = false;
}

function times() {
  const parts = ["first", "settled"].filter((name) => delays.has(name)).map((name) => say(name, { ms: delays.get(name) }));
  at("delay").textContent = [...parts, ...(unsent >= SLOW ? [say("unsent", { s: unsent })] : [])].join(" · ");
}

const CHOICES = ["live-model", "live-spoken", "live-transport", "live-prompt", "live-keywords"];

function look(talking) {
  for (const id of CHOICES) at(id).disabled = talking; // they are those of the next session
  at("live-downloads").hidden = !turns.length;
  at("live-clear").disabled = talking;
}

function open() {
  delays = new Map();
  unsent = 0;
  times();
  return new Talk(before, report);
}

function over(talk) {
  before += talk.seconds;
  turns = turns.filter(({ text }) => text.trim());
}

const content = (format) => ({ txt: () => plain(turns), srt: () => srt(turns), vtt: () => vtt(turns), json: () => json() })[format]();

const exact = (seconds) => Math.round(seconds * 1000) / 1000;

function json() {
  const segments = turns.map((turn) => ({ ...turn, start: exact(turn.start), end: exact(turn.end) }));
  return JSON.stringify({ text: turns.map(({ text }) => text.trim()).join("\n"), segments }, null, 2);
}

export function start() {
  const { focus } = stage(at("panel-live"), { open, asked, look, over });
  at("live-downloads").onclick = ({ target }) => {
    const { format } = target.dataset;
    if (format) save(`captions.${format}`, content(format));
    saved ||= Boolean(format);
  };
  at("live-copy").onclick = async () => (saved = await copy(plain(turns)));
  at("live-clear").onclick = () => {
    at("captions").replaceChildren();
    [turns, nodes, before] = [[], new Map(), 0];
    tags(at("live-tags"), []);
    look(false);
    focus();
  };
  document.addEventListener("language", times);
}
