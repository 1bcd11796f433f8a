// The microphone as a file, and the sign that it is on.

import { at, calm, complain } from "./dom.js";
import { say } from "./i18n.js";
import { input } from "./sound.js";

const TITLE = document.title;
const uses = new Set(); // of the microphone: what stops each

function sign() {
  at("on-air").hidden = !uses.size;
  document.title = uses.size ? `● ${TITLE}` : TITLE;
}

/** Shows that the microphone is on, in whatever tab, and what stops it. Returns what ends this use. */
export function onAir(stop) {
  uses.add(stop);
  sign();
  return () => uses.delete(stop) && sign();
}

let recorder = null;

export const recording = () => recorder !== null;
let counting = 0;

async function record(choose) {
  const button = at("record");
  if (recorder) return recorder.stop();
  let stream;
  calm(at("file-error"));
  button.disabled = true;
  try {
    stream = await input(true);
  } catch (error) {
    return complain(at("file-error"), error);
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
    off();
    button.classList.remove("on");
    button.lastElementChild.dataset.i18n = "record";
    button.lastElementChild.textContent = say("record");
  };
  recorder.start();
  const off = onAir(() => recorder?.stop());
  button.classList.add("on");
  delete button.lastElementChild.dataset.i18n;
  const began = performance.now();
  const count = () => (button.lastElementChild.textContent = `${say("stopRecord")} · ${Math.floor((performance.now() - began) / 1000)} s`);
  count();
  counting = setInterval(count, 250);
}

/** `choose` gets the recording as a file. */
export function start(choose) {
  at("record").onclick = () => record(choose);
  at("on-air").onclick = () => uses.forEach((stop) => stop());
}
