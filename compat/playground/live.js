// Live captions: settled words dark, tentative ones light. They stay over several sessions.

import { ApiError } from "./api.js";
import { plain, srt, vtt } from "./captions.js";
import { announce, at, calm, complain, copy, make, save, tags } from "./dom.js";
import { say } from "./i18n.js";
import { LOST } from "./line.js";
import { onAir } from "./record.js";
import { listed } from "./snippets.js";
import { microphone, player } from "./sound.js";
import { Talk } from "./talk.js";

let talk = null;
let turns = []; // {text, start, end}
let nodes = new Map(); // [settled, tentative] by turn
let before = 0; // seconds of the sessions before
let delays = new Map();

export const asked = () => ({
  mode: "live", model: at("live-model").value.trim() || "gpt-live-transcribe", language: at("live-spoken").value,
  prompt: at("live-prompt").value.trim(), keywords: listed(at("live-keywords").value), transport: at("live-transport").value,
});

/** The text that may change follows a sentence without the space between them. */
const spaced = (settled, light) => (/[.,;:!?]$/.test(settled) && /^[\p{L}\p{N}]/u.test(light) ? ` ${light}` : light);

function report({ turn, stash, tags: details, delay, error }) {
  if (turn) {
    if (!nodes.has(turn)) add(turn);
    const [settled, tentative] = nodes.get(turn);
    settled.textContent = turn.text;
    tentative.textContent = spaced(turn.text, stash);
    at("captions").scrollTop = at("captions").scrollHeight;
  }
  if (details?.language || details?.emotion) tags(at("live-tags"), [details.language, details.emotion]);
  if (delay) delays.set(...delay);
  if (delay) times();
  if (error) complain(at("live-error"), error);
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
  at("delay").textContent = ["first", "settled"].filter((name) => delays.has(name)).map((name) => say(name, { ms: delays.get(name) })).join(" · ");
}

function meter(level) {
  const brush = at("level").getContext("2d");
  const { width, height } = at("level");
  const style = getComputedStyle(document.documentElement);
  brush.clearRect(0, 0, width, height);
  const loud = level > 0 ? Math.max(0, 1 + Math.log10(level) / 3) : 0;
  for (let x = 0; x < width; x += 8) {
    brush.fillStyle = style.getPropertyValue(x / width < loud ? "--accent" : "--line");
    brush.beginPath();
    brush.roundRect(x, 3, 5, height - 6, 2);
    brush.fill();
  }
}

function look(talking) {
  for (const id of ["start", "live-play", "live-sample"]) at(id).hidden = talking;
  at("stop").hidden = !talking;
  at("live-downloads").hidden = !turns.length;
  at("live-clear").disabled = talking;
}

/** Runs a session. `listen(take, ended)` opens what is heard, and returns its stream and what closes it. */
async function begin(listen, { aloud }) {
  if (!at("stop").hidden) return; // another one is under way
  calm(at("live-error"));
  delays = new Map();
  look(true);
  at("stop").disabled = true;
  talk = new Talk(before, report);
  let close = () => {};
  const hush = () => (close(), onAir(null), meter(0));
  const stop = () => (hush(), talk.stop());
  try {
    await talk.start(asked());
    const heard = await listen(({ pcm, level }) => talk.stopping || (meter(level), talk.take(pcm)), stop);
    close = heard.close;
    talk.line.attach?.(heard.stream);
    if (!aloud) onAir(stop);
    at("stop").onclick = stop;
    at("stop").disabled = false;
    at("stop").focus();
    const { code, reason } = await talk.closed;
    if (!talk.stopping) throw new ApiError(0, { code: code === LOST ? "network" : "session_ended", message: `${code} ${reason}` });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    complain(at("live-error"), error);
  } finally {
    hush();
    talk.close();
    before += talk.seconds;
    turns = turns.filter(({ text }) => text.trim());
    const focused = document.activeElement === at("stop") || document.activeElement === document.body;
    look(false);
    if (focused) at("start").focus({ preventScroll: true });
    announce(say("done"));
  }
}

const play = (file) => begin((take, ended) => player(file, take, ended), { aloud: true });

async function sample() {
  const answer = await fetch(new URL("sample.mp3", import.meta.url));
  play(await answer.blob());
}

const content = (format) => ({ txt: () => plain(turns), srt: () => srt(turns), vtt: () => vtt(turns), json: () => json() })[format]();

const json = () => JSON.stringify({ text: turns.map(({ text }) => text.trim()).join("\n"), segments: turns }, null, 2);

function clear() {
  at("captions").replaceChildren();
  [turns, nodes, before] = [[], new Map(), 0];
  tags(at("live-tags"), []);
  look(false);
  at("start").focus();
}

export function start() {
  meter(0);
  at("start").onclick = () => begin((take) => microphone(take), { aloud: false });
  at("live-play").onclick = () => at("live-file").click();
  at("live-file").onchange = () => {
    const [file] = at("live-file").files;
    at("live-file").value = ""; // the same file may be chosen again
    if (file) play(file);
  };
  at("live-sample").onclick = sample;
  at("live-downloads").onclick = ({ target }) => {
    const { format } = target.dataset;
    if (format) save(`captions.${format}`, content(format));
  };
  at("live-copy").onclick = () => copy(plain(turns));
  at("live-clear").onclick = clear;
  document.addEventListener("language", times);
}
