// One file: what is asked, and the request.

import { ApiError, upload } from "./api.js";
import { announce, at, calm, complain } from "./dom.js";
import { say } from "./i18n.js";
import * as jobs from "./jobs.js";
import * as record from "./record.js";
import * as result from "./result.js";
import { fields, listed } from "./snippets.js";

const MODELS = { times: "gpt-transcribe", stream: "gpt-transcribe", speakers: "gpt-4o-transcribe-diarize", translate: "gpt-transcribe" };
const LIMITS = ["max_line_width", "max_line_count", "max_words_per_line"]; // of captions
const LONG = 300; // seconds from which a file becomes a job in the background

let file = null;
let stopping = null; // of the request that runs

/** Whether a request or a recording would be lost with this page. */
export const busy = () => stopping !== null || record.recording();

export const standard = (mode) => MODELS[mode];

export function asked() {
  const checked = (name) => document.querySelector(`[name=${name}]:checked`).value;
  const mode = checked("task") === "translate" ? "translate" : checked("mode");
  const captioned = mode === "times" || mode === "speakers";
  const limits = captioned ? LIMITS.map((name) => [name, at(name).value]).filter(([, value]) => value) : [];
  return {
    mode, limits, file: file?.name, model: at("model").value.trim() || MODELS[mode], language: at("spoken").value,
    prompt: at("prompt").value.trim(), keywords: listed(at("keywords").value),
  };
}

/** Takes another file: the request and the answer of the one before are over. */
function choose(chosen) {
  stopping?.abort();
  result.clear();
  calm(at("file-error"));
  file = chosen;
  delete at("file-name").dataset.i18n; // no hint any more
  at("file-name").textContent = `${file.name} · ${file.size < 1e6 ? `${Math.ceil(file.size / 1000)} KB` : `${megabytes(file.size)} MB`}`;
  at("go").disabled = false;
  result.load(file);
  at("form").dispatchEvent(new Event("input", { bubbles: true })); // the code names the file
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(bytes < 1e6 ? 2 : 1);

async function sample() {
  const answer = await fetch(new URL("sample.mp3", import.meta.url)).catch(() => null);
  if (!answer) return complain(at("file-error"), new ApiError(0, { code: "network", message: "" }));
  choose(new File([await answer.blob()], "sample.mp3", { type: "audio/mpeg" }));
  at("go").focus();
}

// --- the request ---

let stage = ""; // that was announced

function progress(name, text, value) {
  const bar = at("progress").firstElementChild;
  at("progress").hidden = false;
  if (name !== stage) announce(text);
  stage = name;
  at("stage").textContent = text;
  if (value === undefined) bar.removeAttribute("value");
  else bar.value = value;
}

async function run() {
  stopping?.abort();
  const running = (stopping = new AbortController());
  const began = performance.now();
  const count = () => (at("elapsed").textContent = say("elapsed", { s: Math.floor((performance.now() - began) / 1000) }));
  const counting = setInterval(count, 1000);
  count();
  at("go").disabled = true;
  at("cancel").hidden = false;
  stage = "";
  calm(at("file-error"));
  try {
    announce(say((await transcribe(running.signal)) ?? "done"));
  } catch (error) {
    if (stopping === running && !result.shown()?.text) result.clear();
    if (running.signal.aborted) return announce(say("cancelled"));
    announce("");
    if (!(error instanceof ApiError)) throw error;
    complain(at("file-error"), error);
  } finally {
    clearInterval(counting);
    if (stopping === running) {
      const focused = document.activeElement === at("cancel") || document.activeElement === document.body;
      stopping = null;
      at("progress").hidden = at("cancel").hidden = true;
      at("go").disabled = file === null;
      if (focused) at("go").focus({ preventScroll: true }); // the button that had the focus has gone
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

/** Returns the words to announce at the end, if they are not "done". */
async function transcribe(signal) {
  await readable();
  const [ask, sent] = [asked(), file];
  const form = new FormData();
  form.append("file", sent, sent.name);
  for (const [name, value] of fields(ask)) form.append(name, value);
  const whole = ask.mode === "times" || ask.mode === "speakers";
  if (whole) form.append("captions", "srt,vtt");
  if (whole && (await result.length(signal)) > LONG) form.append("background", "true");
  result.begin(sent.name, ask.mode === "stream");
  const uploaded = (done, total) => {
    if (done < total) progress("uploading", say("uploading", { done: megabytes(done), total: megabytes(total) }), done / total);
    else progress("listening", say(ask.mode === "translate" ? "translating" : "listening"));
  };
  const hear = (event) => {
    if (event.type !== "progress") return result.hear(event);
    progress("listening", [say("listening"), ...jobs.doneSoFar(event)].join(" · "), event.progress ?? undefined);
  };
  uploaded(0, sent.size || 1);
  const path = ask.mode === "translate" ? "/audio/translations" : "/audio/transcriptions";
  const { status, body, headers } = await upload(path, form, { sent: uploaded, hear, signal });
  signal.throwIfAborted();
  if (status === 202) {
    jobs.add(body, sent, () => file === sent && stopping === null && !result.shown()?.body);
    return "background";
  }
  const answer = body ?? result.shown().body;
  if (!answer) throw new ApiError(0, { code: "network", message: "" }); // a stream that broke off
  result.finish(answer, headers, sent);
}

/** Shows the answer of a job, with its recording if this tab has it. */
function opened({ name, file: sent, body, headers }) {
  stopping?.abort();
  result.begin(name, false);
  if (sent !== file) result.load(sent);
  result.finish(body, headers, sent);
  at("result").scrollIntoView({ block: "nearest" });
}

/** Takes the file that the browser has put back into the form. */
export function restore() {
  if (file === null && at("file").files[0]) choose(at("file").files[0]);
}

/** Takes the first of the files that were dropped or pasted. */
function take([first, ...others]) {
  if (!first) return;
  at("tab-file").click();
  choose(first);
  if (!others.length) return;
  at("file-name").textContent += ` · ${say("firstOnly")}`; // stays when the announcement has gone
  announce(say("firstOnly"));
}

/** Lets files be dropped anywhere on the page. */
function dropping() {
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
    take(event.dataTransfer.files);
  };
  document.onpaste = ({ clipboardData }) => take(clipboardData.files);
}

export function start() {
  at("drop").onclick = ({ target }) => target.closest("button, label, input") ?? at("file").click();
  at("file").onclick = () => (at("file").value = ""); // the same file may be chosen again
  at("file").onchange = () => at("file").files[0] && choose(at("file").files[0]);
  at("sample").onclick = sample;
  const open = ({ target }) => target.closest("details")?.setAttribute("open", ""); // a message cannot be seen in closed ones
  at("form").addEventListener("invalid", open, true);
  at("form").onsubmit = (event) => (event.preventDefault(), run());
  at("cancel").onclick = () => stopping?.abort();
  dropping();
  record.start(choose);
  result.start();
  jobs.start(opened);
}
