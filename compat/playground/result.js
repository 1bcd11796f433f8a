// The answer to one file: its forms (text, segments, srt, vtt, json), and the recording that plays along.

import { brief, clock, plain, srt, vtt } from "./captions.js";
import { at, copy, make, save, tabbed, tags } from "./dom.js";
import { say } from "./i18n.js";
import { Waveform } from "./waveform.js";

const COLOURS = 6; // of speakers
const OWN = "chunking_strategy"; // a parameter that nobody entered
const audio = at("audio");
const wave = new Waveform(at("wave"), audio);
let answer = null; // {name, body, text, segments}
let words = []; // [{start, end, node}]
let form = "text"; // which is shown

export const shown = () => answer;

/** Takes the answer away, and the recording if another one is chosen. */
export function clear() {
  audio.pause();
  answer = null;
  words = [];
  at("transcript").replaceChildren();
  tags(at("tags"), []);
  at("player").hidden = at("no-player").hidden = at("result").hidden = true;
}

/** Loads a recording, or none, for the next answer. */
export function load(file) {
  audio.pause();
  URL.revokeObjectURL(audio.src);
  if (file) audio.src = URL.createObjectURL(file);
  else audio.removeAttribute("src");
}

/** Seconds of the loaded recording, 0 where the browser cannot tell. */
export async function length(signal) {
  if (!audio.duration && !audio.error) {
    await new Promise((known) => ["loadedmetadata", "error"].forEach((name) => audio.addEventListener(name, known, { once: true })));
    signal.throwIfAborted();
  }
  return Number.isFinite(audio.duration) ? audio.duration : 0;
}

/** Prepares for an answer. A streamed one is shown as it grows. */
export function begin(name, streamed) {
  clear();
  answer = { name, body: null, text: "", segments: [] };
  at("result").hidden = !streamed;
  show("text");
}

export function hear(event) {
  if (event.type === "transcript.text.delta") {
    answer.text += event.delta;
    at("transcript").append(event.delta);
  }
  if (event.type === "transcript.text.done") answer.body = event;
}

/** Shows an answer. `file` is its recording, if this tab has it; `headers` are those of the response. */
export function finish(body, headers, file) {
  Object.assign(answer, { body, text: body.text, segments: body.segments ?? [] });
  const details = body.dashscope ?? {};
  const ignored = decodeURIComponent(headers.get("x-compat-ignored") ?? "").split(",").filter((name) => name && name !== OWN).join(", ");
  tags(at("tags"), [
    headers.get("x-compat-engine") ?? details.engine ?? details.model, details.language, details.emotion,
    body.duration && (body.duration < 60 ? `${body.duration.toFixed(1)} s` : brief(body.duration)), headers.get("x-compat-road") ?? details.surface,
    ignored && say("ignored", { names: ignored }),
  ]);
  const speakers = [...new Set(answer.segments.map((part) => part.speaker).filter(Boolean))];
  answer.colours = answer.segments.map(({ speaker }) => (speaker ? speakers.indexOf(speaker) % COLOURS : undefined));
  at("result").hidden = false;
  at("player").hidden = !file || audio.error !== null;
  if (at("player").hidden) silent(file ? "notPlayable" : "noRecording");
  if (file) wave.show(file, answer.segments, answer.colours);
  show(answer.segments.length ? "segments" : "text");
}

/** Says why nothing plays. */
function silent(reason) {
  at("no-player").hidden = false;
  at("no-player").dataset.i18n = reason;
  at("no-player").textContent = say(reason);
}

// --- the forms ---

/** What a form of the answer contains; null for a form that this answer does not have. */
function content(name) {
  if (!answer?.body) return null;
  const { body, segments, text } = answer;
  const sentences = segments.map(({ start, end, text: words, speaker }) => ({ start, end, text: speaker ? `${speaker}: ${words.trim()}` : words }));
  if (name === "text") return plain(segments.some(({ speaker }) => speaker) ? segments : [{ text }]);
  if (name === "json") return JSON.stringify(body, (key, value) => (key === "captions" ? undefined : value), 2);
  if (!segments.length) return null;
  if (name === "segments") return sentences.map((part) => `[${clock(part.start)} → ${clock(part.end)}] ${part.text.trim()}\n`).join("");
  return body.dashscope?.captions?.[name] ?? { srt, vtt }[name](sentences); // translations have no captions of the server
}

const choose = tabbed(at("views"), (tab) => {
  form = tab.dataset.view;
  at("view").setAttribute("aria-labelledby", tab.id);
  draw();
});

function show(name) {
  for (const tab of at("views").children) tab.disabled = tab.dataset.view !== name && content(tab.dataset.view) === null;
  choose(at(`view-${name}`));
}

function draw() {
  const raw = !["text", "segments"].includes(form);
  at("transcript").hidden = raw;
  at("raw").hidden = !raw;
  at("copy").disabled = at("download").disabled = content(form) === null;
  words = [];
  if (raw) at("raw").textContent = content(form);
  else if (form === "segments") lay(answer.body.words ?? []);
  else at("transcript").textContent = answer?.body && answer.text.trim() ? content("text").trim() : answer?.body ? say("silent") : "";
  if (form === "segments") follow();
}

function lay(spoken) {
  let next = 0;
  at("transcript").replaceChildren(
    ...answer.segments.map((part, n) => {
      const row = make("div", "segment", "");
      const time = pressed(Object.assign(make("button", "", brief(part.start)), { type: "button" }), part.start);
      time.ariaLabel = `${say("play")} ${brief(part.start)}`;
      const colour = answer.colours[n];
      const line = Object.assign(make("p", colour === undefined ? "" : `speaker-${colour}`, ""), { dir: "auto" });
      if (part.speaker) line.append(make("span", "who", `${part.speaker}:`), " ");
      const text = part.text.trim();
      let done = 0;
      for (; next < spoken.length; next++) {
        const found = text.indexOf(spoken[next].word, done);
        if (found < 0) break;
        const { word, start, end } = spoken[next];
        const node = pressed(Object.assign(make("span", "word", word), { role: "button" }), start);
        words.push({ start, end, node });
        line.append(text.slice(done, found), node);
        done = found + word.length;
      }
      line.append(text.slice(done));
      row.append(time, line);
      return row;
    }),
  );
  const first = at("transcript").querySelector("[tabindex]");
  if (first) first.tabIndex = 0;
}

/** Makes an element play from a time. Arrow keys move between them, so that they are one stop of the Tab key. */
function pressed(node, start) {
  node.tabIndex = -1;
  node.onclick = () => play(start);
  return node;
}

function move(event) {
  const all = [...at("transcript").querySelectorAll("[tabindex]")];
  const here = all.indexOf(event.target);
  if (here < 0) return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    return event.target.click();
  }
  const times = all.filter((node) => node.localName === "button");
  const row = times.indexOf(event.target.closest(".segment").firstElementChild);
  const to = {
    ArrowLeft: all[here - 1], ArrowRight: all[here + 1], ArrowUp: times[row - 1], ArrowDown: times[row + 1], Home: all[0], End: all.at(-1),
  }[event.key];
  if (!to) return;
  event.preventDefault();
  event.target.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
}

// --- the recording ---

function play(from) {
  if (at("player").hidden) return;
  audio.currentTime = from;
  sound();
}

/** Plays. A pause that comes at once makes the browser reject the promise to play. */
function sound() {
  audio.play().catch(() => {});
}

function button(sign, name) {
  Object.assign(at("play"), { textContent: sign, ariaLabel: say(name) }).dataset.i18nLabel = name;
}

function follow() {
  const now = audio.currentTime;
  for (const word of words) word.node.classList.toggle("now", !audio.ended && word.start <= now && now < word.end);
  const rows = form === "segments" ? at("transcript").children : [];
  [...rows].forEach((row, n) => row.classList.toggle("current", answer.segments[n].start <= now && now < answer.segments[n].end));
  wave.draw();
  if (!audio.paused) requestAnimationFrame(follow);
}

export function start() {
  at("play").onclick = () => (audio.paused ? sound() : audio.pause());
  at("transcript").onkeydown = move;
  audio.onerror = () => {
    at("player").hidden = true;
    silent("notPlayable");
  };
  audio.onplay = () => (button("❚❚", "pause"), follow());
  audio.onpause = () => (button("▶", "play"), follow());
  audio.onseeked = () => audio.paused && follow();
  at("download").onclick = () => {
    const kind = { text: "txt", segments: "segments.txt" }[form] ?? form;
    save(`${answer.name.replace(/(.)\.[^.]*$/, "$1")}.${kind}`, content(form));
  };
  at("copy").onclick = () => copy(content(form));
  document.addEventListener("language", () => answer?.body && draw());
}
