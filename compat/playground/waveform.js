// The recording as a picture: its peaks, its segments, and where it plays.

import { brief } from "./captions.js";
import { say } from "./i18n.js";

const BAR = 3;
const STEP = 2; // seconds that an arrow key moves
const LARGEST = 60 << 20; // bytes that are decoded for a picture

async function peaks(file, count) {
  const context = new OfflineAudioContext(1, 1, 8000);
  const sound = (await context.decodeAudioData(await file.arrayBuffer())).getChannelData(0);
  const step = sound.length / count;
  const found = Array.from({ length: count }, (_, n) => {
    let peak = 0;
    for (let at = Math.floor(n * step); at < (n + 1) * step; at += 4) peak = Math.max(peak, Math.abs(sound[at] ?? 0));
    return peak;
  });
  const loudest = Math.max(...found, 0.01);
  return found.map((peak) => peak / loudest);
}

export class Waveform {
  #peaks = [];
  #segments = [];
  #colours = [];

  constructor(canvas, audio) {
    this.canvas = canvas;
    this.audio = audio;
    canvas.addEventListener("click", (event) => {
      this.#seek((event.offsetX / canvas.clientWidth) * this.#length());
      audio.play().catch(() => {}); // rejected by a pause that comes at once
    });
    canvas.addEventListener("keydown", (event) => this.#press(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
    document.addEventListener("theme", () => this.draw());
  }

  /** Shows a recording. `colours` are the numbers of its segments' speakers. */
  async show(file, segments, colours) {
    this.#segments = segments;
    this.#colours = colours;
    this.#peaks = [];
    this.draw();
    if (file.size > LARGEST) return;
    const found = await peaks(file, 400).catch(() => []); // a container that the browser does not read has its segments
    if (this.#segments !== segments) return; // another recording is shown by now
    this.#peaks = found;
    this.draw();
  }

  #length() {
    return (Number.isFinite(this.audio.duration) && this.audio.duration) || this.#segments.at(-1)?.end || 0;
  }

  #seek(seconds) {
    if (Number.isFinite(this.audio.duration)) this.audio.currentTime = Math.max(0, Math.min(seconds, this.audio.duration));
  }

  #press(event) {
    const [now, whole] = [this.audio.currentTime, this.#length()];
    const to = {
      ArrowRight: now + STEP, ArrowUp: now + STEP, ArrowLeft: now - STEP, ArrowDown: now - STEP,
      PageUp: now + whole / 10, PageDown: now - whole / 10, Home: 0, End: whole,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#seek(to);
  }

  /** Tells assistive technology the position. */
  #tell() {
    const [now, end] = [this.audio.currentTime, this.#length()];
    this.canvas.ariaValueMax = end.toFixed(1);
    this.canvas.ariaValueNow = now.toFixed(1);
    this.canvas.ariaValueText = say("position", { now: brief(now), end: brief(end) });
  }

  draw() {
    const { canvas, audio } = this;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    const brush = canvas.getContext("2d");
    brush.scale(devicePixelRatio, devicePixelRatio);
    const duration = this.#length() || 1;
    this.#tell();
    const played = (audio.currentTime / duration) * width;
    for (let x = 0; x < width; x += BAR + 1.5) {
      const peak = this.#peaks[Math.floor((x / width) * this.#peaks.length)] ?? 0;
      const tall = Math.max(2, peak * (height - 16));
      const speaker = this.#colours[this.#segments.findIndex((part) => (x / width) * duration < part.end)];
      brush.fillStyle = colour(speaker === undefined ? (x < played ? "--accent" : "--wave") : `--s${speaker}`);
      brush.globalAlpha = x < played || speaker === undefined ? 1 : 0.45;
      brush.beginPath();
      brush.roundRect(x, (height - 10 - tall) / 2, BAR, tall, 1.5);
      brush.fill();
    }
    brush.globalAlpha = 1;
    for (const [n, part] of this.#segments.entries()) {
      brush.fillStyle = colour(this.#colours[n] === undefined ? "--accent" : `--s${this.#colours[n]}`);
      const from = (part.start / duration) * width;
      brush.fillRect(from + 1, height - 4, Math.max(2, ((part.end - part.start) / duration) * width - 2), 3);
    }
  }
}
