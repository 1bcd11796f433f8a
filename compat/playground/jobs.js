// Long files: jobs of the server that every tab of this browser lists, until they are removed.

import { ApiError, call, forBrowser } from "./api.js";
import { at, announce, complain, make } from "./dom.js";
import { say, advice } from "./i18n.js";

const [SOONEST, LATEST] = [1000, 5000]; // milliseconds between two looks at the server
const MOST = 50; // jobs in the list
const files = new Map(); // the recordings that this tab sent, by job
const answers = new Map(); // those that this tab has got: {body, headers}
const silent = new Set(); // those for which the server did not answer
let open = () => {}; // shows an answer
let wait = SOONEST;
let waking = 0;

/** The list. Another program of this origin may have stored something else under its name. */
function read() {
  try {
    const list = JSON.parse(forBrowser.getItem("jobs"));
    return Array.isArray(list) ? list.filter(({ id }) => id) : [];
  } catch {
    return [];
  }
}

function write(list) {
  if (list.length) forBrowser.setItem("jobs", JSON.stringify(list.slice(-MOST)));
  else forBrowser.removeItem("jobs");
  draw();
}

const change = (id, change) => write(read().map((job) => (job.id === id ? { ...job, ...change } : job)));
const drop = (id) => write(read().filter((job) => job.id !== id));
const underWay = ({ status }) => status === "queued" || status === "in_progress";

/** Lists a job that the server has accepted. It is opened when it is done, if `wanted()` then. */
export function add({ id, status }, file, wanted) {
  files.set(id, { file, wanted });
  write([...read().filter((job) => job.id !== id), { id, status, name: file.name, began: Date.now() }]);
  wait = SOONEST;
  look();
}

async function look() {
  clearTimeout(waking);
  for (const job of read().filter(underWay)) await ask(job);
  if (read().some(underWay)) waking = setTimeout(look, wait);
  wait = Math.min(LATEST, wait * 1.1);
}

const LOST = { 404: "not_found", 410: "job_expired" };
const path = (id) => `/audio/transcriptions/${id}`;

/** Asks for one job. HEAD does not count as delivery, after which the server may delete the transcript. One that the
 *  server cannot be asked for now stays as it is. */
async function ask({ id, name }) {
  try {
    const { headers } = await call(path(id), { method: "HEAD", quiet: true });
    silent.delete(id);
    if (headers.get("x-compat-road")) return done(id, name);
    const answer = await call(path(id), { quiet: true });
    if (answer.body.object !== "transcription.job") {
      answers.set(id, answer); // done since then
      done(id, name);
    } else if (underWay(answer.body)) change(id, answer.body);
    else change(id, { ...answer.body, error: answer.body.error ?? { code: `job_${answer.body.status}` } });
  } catch (error) {
    if (LOST[error.status]) return change(id, { status: "failed", error: { code: LOST[error.status] } });
    silent.add(id);
    draw();
  }
}

function done(id, name) {
  change(id, { status: "completed" });
  announce(`${name}: ${say("jobDone")}`);
  if (files.get(id)?.wanted()) show(id, name);
}

async function show(id, name) {
  try {
    if (!answers.has(id)) answers.set(id, await call(path(id)));
    open({ name, file: files.get(id)?.file, ...answers.get(id) });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    complain(at("file-error"), error);
    if (LOST[error.status]) drop(id);
  }
}

/** Cancels a job that is under way, and has the server erase the answer of another. */
async function remove({ id, name, ...job }) {
  try {
    await call(path(id), { method: "DELETE" });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (!LOST[error.status]) return complain(at("file-error"), error);
  }
  files.delete(id);
  answers.delete(id);
  const next = at(`job-${id}`)?.nextElementSibling ?? at(`job-${id}`)?.previousElementSibling;
  drop(id);
  (next?.querySelector("button:not([hidden])") ?? at("file")).focus();
  announce(`${name}: ${say(underWay(job) ? "cancelled" : "removed")}`);
}

// --- the list ---

const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

/** How far the server is with a file: seconds of the audio, and pieces. */
export function doneSoFar({ seconds_done, seconds_total, pieces_done }) {
  const seconds = seconds_total && typeof seconds_done === "number";
  return [
    ...(seconds ? [say("jobSeconds", { done: minutes(seconds_done), total: minutes(seconds_total) })] : []),
    ...(pieces_done ? [say("jobPieces", { done: pieces_done })] : []),
  ];
}

function state(job) {
  if (job.status === "completed") return say("jobDone");
  if (!underWay(job)) return `${say("jobFailed")}: ${advice(job.error)}`;
  const parts = [say(job.status === "queued" ? "jobQueued" : "jobRunning"), ...doneSoFar(job)];
  parts.push(say("elapsed", { s: Math.round((Date.now() - job.began) / 1000) }));
  if (silent.has(job.id)) parts.push(say("jobSilent"));
  return parts.join(" · ");
}

/** Brings the list up to date, without replacing what has the focus. */
function draw() {
  const list = read();
  at("jobs").hidden = !list.length;
  for (const row of [...at("job-list").children]) {
    if (!list.some(({ id }) => row.id === `job-${id}`)) row.remove();
  }
  for (const job of list) {
    const row = at(`job-${job.id}`) ?? at("job-list").appendChild(made(job.id));
    const [name, text, bar, opener, remover] = row.children;
    name.textContent = job.name;
    text.textContent = state(job);
    bar.hidden = !underWay(job);
    bar.ariaLabel = job.name;
    if (typeof job.progress === "number") bar.value = job.progress;
    opener.hidden = job.status !== "completed";
    opener.textContent = say("open");
    opener.ariaLabel = `${say("open")} ${job.name}`;
    remover.textContent = say(underWay(job) ? "cancel" : "remove");
    remover.ariaLabel = `${remover.textContent} ${job.name}`;
  }
}

function made(id) {
  const row = Object.assign(make("li", "job", ""), { id: `job-${id}` });
  const button = (press) => Object.assign(make("button", "quiet", ""), { type: "button", onclick: () => press(read().find((job) => job.id === id)) });
  const bar = Object.assign(document.createElement("progress"), { max: 1 });
  row.append(make("b", "", ""), make("span", "small", ""), bar, button((job) => show(id, job.name)), button(remove));
  return row;
}

/** `show` gets the answers that are opened: {name, file, body, text, headers}. */
export function start(show) {
  open = show;
  addEventListener("storage", ({ key }) => {
    if (key !== "jobs") return;
    draw();
    look();
  });
  document.addEventListener("language", draw);
  draw();
  look();
}
