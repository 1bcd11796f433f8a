// One file: what is asked, its way, and its transcript on the page.

import { ApiError, call, forTab, unheard, upload } from "./api.js";
import { clock, plain, save } from "./captions.js";
import { say, todo } from "./i18n.js";
import { fields } from "./snippets.js";
import { Waveform } from "./waveform.js";

const MODELS = { times: "gpt-transcribe", stream: "gpt-transcribe", speakers: "gpt-4o-transcribe-diarize" };
const LIMITS = ["max_line_width", "max_line_count", "max_words_per_line"]; // of captions
const LONG = 300; // seconds from which a file becomes a job that survives a reload
const COLOURS = 6;
const at = (id) => document.getElementById(id);
const make = (tag, name, text) => Object.assign(document.createElement(tag), { className: name, textContent: text });

const audio = at("audio");
const wave = new Waveform(at("wave"), audio);
let file = null;
let answer = null; // {mode, name, body, text, segments}
let words = []; // [{start, end, node}]
let stopping = null; // of the request that runs

export function asked() {
  const mode = document.querySelector("[name=mode]:checked").value;
  const limits = mode === "stream" ? [] : LIMITS.map((name) => [name, at(name).value]).filter(([, value]) => value);
  return { mode, model: at("model").value.trim() || MODELS[mode], language: at("spoken").value.trim(), limits };
}

let forget = 0;

/** Says it to the eye and to a screen reader, for a while. */
export function announce(text) {
  at("status").textContent = text;
  clearTimeout(forget);
  forget = setTimeout(() => (at("status").textContent = ""), 4000);
}

export function complain(node, error) {
  const where = [error.status && `HTTP ${error.status}`, error.code, error.param].filter(Boolean).join(" · ");
  node.replaceChildren(make("b", "", where), make("p", "", error.message), make("p", "todo", todo(error.code)));
  node.hidden = false;
}

export function tags(node, list) {
  node.replaceChildren(...list.filter(Boolean).map((text) => make("span", "", text)));
}

/** Browsers give pages that came by plain http, but from this machine, no clipboard. */
export async function copy(text) {
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else {
    const box = document.body.appendChild(Object.assign(make("textarea", "hidden", ""), { value: text }));
    box.select();
    document.execCommand("copy");
    box.remove();
  }
  announce(say("copied"));
}

/** Another file: what was asked and said of the one before is over. */
function choose(chosen) {
  stopping?.abort();
  audio.pause();
  clear();
  file = chosen;
  delete at("file-name").dataset.i18n; // no hint any more
  at("file-name").textContent = `${file.name} · ${(file.size / 1e6).toFixed(1)} MB`;
  at("go").disabled = false;
  URL.revokeObjectURL(audio.src);
  audio.src = URL.createObjectURL(file);
}

/** Seconds, or none where the browser cannot tell. */
async function length(signal) {
  if (!audio.duration && !audio.error) {
    await new Promise((known) => ["loadedmetadata", "error"].forEach((name) => audio.addEventListener(name, known, { once: true })));
    signal.throwIfAborted();
  }
  return Number.isFinite(audio.duration) ? audio.duration : 0;
}

function progress(stage, value) {
  const bar = at("progress").firstElementChild;
  at("progress").hidden = false;
  if (at("stage").textContent !== stage) announce(stage);
  at("stage").textContent = stage;
  if (value === undefined) bar.removeAttribute("value");
  else bar.value = value;
}

// --- the request ---

async function run(work) {
  stopping?.abort();
  const running = (stopping = new AbortController());
  at("go").disabled = true;
  at("cancel").hidden = false;
  at("file-error").hidden = true;
  try {
    await work(running.signal);
    announce(say("done"));
  } catch (error) {
    if (stopping === running) {
      announce("");
      if (!answer?.text) at("result").hidden = true;
    }
    if (running.signal.aborted) return;
    if (!(error instanceof ApiError)) throw error;
    complain(at("file-error"), error);
  } finally {
    if (stopping === running) {
      stopping = null;
      at("progress").hidden = at("cancel").hidden = true;
      at("go").disabled = file === null;
    }
  }
}

/** Throws if the file on disk is no longer the chosen one: its upload would fail as if the network had. */
async function readable() {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch (error) {
    throw new ApiError(0, { code: "file_changed", message: error.message });
  }
}

async function transcribe(signal) {
  await readable();
  const ask = asked();
  const form = new FormData();
  form.append("file", file, file.name);
  for (const [name, value] of fields(ask)) form.append(name, value);
  if (ask.mode !== "stream") form.append("captions", "srt,vtt");
  const background = ask.mode !== "stream" && (await length(signal)) > LONG;
  if (background) form.append("background", "true");
  begin(ask.mode, file.name);
  progress(say("uploading"), 0);
  const sent = (part) => (part < 1 ? progress(say("uploading"), part) : progress(say("listening")));
  const { status, body, ignored, road } = await upload(form, { sent, hear, signal });
  signal.throwIfAborted();
  if (status === 202) await follow({ id: body.id, mode: ask.mode, name: file.name }, signal);
  else if (body ?? answer.body) finish(body ?? answer.body, { ignored, road });
  else throw new ApiError(0, { code: "network", message: "" }); // a stream that broke off
}

/** Whether another tab follows this job: a duplicated tab takes over what the first one stored. */
async function followed(id) {
  const others = new BroadcastChannel(id);
  const found = await new Promise((known) => {
    others.onmessage = ({ data }) => data === "here" && known(true);
    others.postMessage("who");
    setTimeout(() => known(false), 500);
  });
  others.close();
  return found;
}

/** A long job, until it is there; its id outlives a reload. */
async function follow(job, signal) {
  const others = new BroadcastChannel(job.id);
  others.onmessage = ({ data }) => data === "who" && others.postMessage("here");
  forTab.setItem("job", JSON.stringify(job));
  progress(say("job"));
  signal.addEventListener("abort", async () => {
    forTab.removeItem("job");
    others.close();
    if (!(await followed(job.id))) call(`/audio/transcriptions/${job.id}`, { method: "DELETE" }).catch(() => {});
  });
  try {
    for (;;) {
      const told = await state(job, signal);
      signal.throwIfAborted();
      if (told) {
        forTab.removeItem("job");
        if (told.body.object === "transcription.job") throw new ApiError(200, told.body.error ?? { message: told.body.status });
        return finish(told.body, { ignored: told.headers.get("x-compat-ignored"), road: told.headers.get("x-compat-road") });
      }
      await new Promise((wake) => setTimeout(wake, 1000));
    }
  } finally {
    others.close();
  }
}

/** What became of a job; nothing while it is under way, or while the server cannot be asked. */
async function state(job, signal) {
  try {
    const told = await call(`/audio/transcriptions/${job.id}`, { signal });
    return told.status === 202 ? null : told;
  } catch (error) {
    if (error.code === "network") return null;
    forTab.removeItem("job");
    throw error;
  }
}

// --- what comes back ---

function clear() {
  answer = null;
  words = [];
  at("transcript").replaceChildren();
  tags(at("tags"), []);
  at("player").hidden = at("result").hidden = at("file-error").hidden = true;
}

function begin(mode, name) {
  clear();
  answer = { mode, name, body: null, text: "", segments: [] };
  at("result").hidden = mode !== "stream";
  offer();
}

function hear(event) {
  if (event.type === "transcript.text.delta") {
    answer.text += event.delta;
    at("transcript").append(event.delta);
  }
  if (event.type === "transcript.text.done") answer.body = event;
}

function finish(body, { ignored, road }) {
  Object.assign(answer, { body, text: body.text, segments: body.segments ?? [] });
  const told = body.dashscope ?? {};
  tags(at("tags"), [
    told.engine ?? told.model, told.language, told.emotion, body.duration && `${body.duration.toFixed(1)} s`, road ?? told.surface,
    ignored && `ignored: ${decodeURIComponent(ignored)}`,
  ]);
  const speakers = [...new Set(answer.segments.map((part) => part.speaker).filter(Boolean))];
  for (const part of answer.segments) {
    if (part.speaker) part.colour = speakers.indexOf(part.speaker) % COLOURS;
  }
  at("result").hidden = false;
  if (answer.segments.length) lay(body.words ?? []);
  else at("transcript").textContent = body.text.trim() ? body.text : say("silent");
  at("player").hidden = file === null || audio.error !== null;
  if (file) wave.show(file, answer.segments);
  offer();
}

function lay(spoken) {
  let next = 0;
  words = [];
  at("transcript").replaceChildren(
    ...answer.segments.map((part) => {
      const row = make("div", "segment", "");
      const time = make("button", "", clock(part.start).slice(3, 10));
      time.type = "button";
      time.ariaLabel = `${say("play")} ${clock(part.start)}`;
      time.onclick = () => play(part.start);
      const line = Object.assign(make("p", part.speaker ? `speaker-${part.colour}` : "", ""), { dir: "auto" });
      if (part.speaker) line.append(make("span", "who", part.speaker));
      const text = part.text.trim();
      let done = 0;
      for (; next < spoken.length; next++) {
        const found = text.indexOf(spoken[next].word, done);
        if (found < 0) break;
        const node = make("span", "word", spoken[next].word);
        const { start, end } = spoken[next];
        node.onclick = () => play(start);
        words.push({ start, end, node });
        line.append(text.slice(done, found), node);
        done = found + spoken[next].word.length;
      }
      line.append(text.slice(done));
      row.append(time, line);
      part.row = row;
      return row;
    }),
  );
}

function play(from) {
  if (at("player").hidden) return;
  audio.currentTime = from;
  sound();
}

/** A pause that comes at once takes back the promise to play. */
function sound() {
  audio.play().catch(() => {});
}

function button(sign, name) {
  Object.assign(at("play"), { textContent: sign, ariaLabel: say(name) }).dataset.i18nLabel = name;
}

function follow_playing() {
  const now = audio.currentTime;
  for (const word of words) word.node.classList.toggle("now", !audio.ended && word.start <= now && now < word.end);
  for (const part of answer?.segments ?? []) part.row?.classList.toggle("current", part.start <= now && now < part.end);
  wave.draw();
  if (!audio.paused) requestAnimationFrame(follow_playing);
}

// --- taking it away ---

function offer() {
  for (const button of at("downloads").querySelectorAll("[data-format]")) button.disabled = content(button.dataset.format) === null;
  at("copy").disabled = !answer.body;
}

/** Captions are the server's own; nothing for what this answer does not give. */
function content(format) {
  if (!answer.body) return null;
  if (format === "txt") return plain(answer.segments.length ? answer.segments : [{ text: answer.text }]);
  if (format !== "json") return answer.body.dashscope?.captions?.[format] ?? null;
  return JSON.stringify(answer.body, (name, value) => (["row", "colour", "captions"].includes(name) ? undefined : value), 2);
}

// --- the microphone as a file ---

let recorder = null;
let counting = 0;

async function record() {
  const button = at("record");
  if (recorder) return recorder.stop();
  let stream;
  at("file-error").hidden = button.disabled = true;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    return complain(at("file-error"), unheard(error));
  } finally {
    button.disabled = false;
  }
  const parts = [];
  recorder = new MediaRecorder(stream);
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorder.onstop = () => {
    for (const track of stream.getTracks()) track.stop();
    const { mimeType } = recorder;
    choose(new File(parts, `${say("recording")}.${mimeType.includes("mp4") ? "m4a" : "webm"}`, { type: mimeType }));
    recorder = null;
    clearInterval(counting);
    button.classList.remove("on");
    button.lastElementChild.textContent = say("record");
  };
  recorder.start();
  button.classList.add("on");
  const began = performance.now();
  const count = () => (button.lastElementChild.textContent = `${say("stopRecord")} · ${Math.floor((performance.now() - began) / 1000)} s`);
  count();
  counting = setInterval(count, 250);
}

/** The browser may have put back the file that was chosen. */
export function restore() {
  if (file === null && at("file").files[0]) choose(at("file").files[0]);
}

export function start() {
  at("file").onclick = () => (at("file").value = ""); // the same file may be chosen again
  at("file").onchange = () => at("file").files[0] && choose(at("file").files[0]);
  const over = at("drop").classList;
  const files = (event) => event.dataTransfer.types.includes("Files");
  document.ondragover = (event) => {
    if (!files(event)) return; // to return false would take it
    event.preventDefault();
    over.add("over");
  };
  document.ondragleave = (event) => {
    if (event.relatedTarget === null) over.remove("over");
  };
  document.ondrop = (event) => {
    if (!files(event)) return; // text for a field
    event.preventDefault(); // a browser would open the file in place of this page
    over.remove("over");
    const [first, ...others] = event.dataTransfer.files;
    if (!first) return;
    at("tab-file").click();
    choose(first);
    if (!others.length) return;
    at("file-name").textContent += ` · ${say("firstOnly")}`; // stays when the announcement has gone
    announce(say("firstOnly"));
  };
  at("record").onclick = record;
  at("form").onsubmit = (event) => (event.preventDefault(), run(transcribe));
  at("cancel").onclick = () => stopping?.abort();
  at("play").onclick = () => (audio.paused ? sound() : audio.pause());
  audio.onerror = () => (at("player").hidden = true);
  audio.onplay = () => (button("❚❚", "pause"), follow_playing());
  audio.onpause = () => (button("▶", "play"), follow_playing());
  at("downloads").onclick = ({ target }) => {
    const { format } = target.dataset;
    if (format) save(`${answer.name.replace(/(.)\.[^.]*$/, "$1")}.${format}`, content(format));
  };
  at("copy").onclick = () => copy(content("txt"));
  const job = JSON.parse(forTab.getItem("job"));
  if (job) run((signal) => (begin(job.mode, job.name), follow(job, signal)));
}
