// The recording as a picture: its peaks, its segments, and where it plays.

const BAR = 3;
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

  constructor(canvas, audio) {
    this.canvas = canvas;
    this.audio = audio;
    canvas.addEventListener("click", (event) => this.#seek(event.offsetX / canvas.clientWidth));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  async show(file, segments) {
    this.#segments = segments;
    this.#peaks = [];
    this.draw();
    if (file.size > LARGEST) return;
    const found = await peaks(file, 400).catch(() => []); // a container that the browser does not read has its segments
    if (this.#segments !== segments) return; // another recording is shown by now
    this.#peaks = found;
    this.draw();
  }

  #seek(part) {
    if (!Number.isFinite(this.audio.duration)) return;
    this.audio.currentTime = part * this.audio.duration;
    this.audio.play().catch(() => {}); // taken back by a pause that comes at once
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
    const duration = (Number.isFinite(audio.duration) && audio.duration) || this.#segments.at(-1)?.end || 1;
    const played = (audio.currentTime / duration) * width;
    for (let x = 0; x < width; x += BAR + 1.5) {
      const peak = this.#peaks[Math.floor((x / width) * this.#peaks.length)] ?? 0;
      const tall = Math.max(2, peak * (height - 16));
      const segment = this.#segments.find((part) => (x / width) * duration < part.end);
      const speaker = segment?.colour === undefined ? "--accent" : `--s${segment.colour}`;
      brush.fillStyle = x < played ? colour(speaker) : segment?.colour === undefined ? colour("--wave") : colour(speaker);
      brush.globalAlpha = x < played || segment?.colour === undefined ? 1 : 0.45;
      brush.beginPath();
      brush.roundRect(x, (height - 10 - tall) / 2, BAR, tall, 1.5);
      brush.fill();
    }
    brush.globalAlpha = 1;
    for (const part of this.#segments) {
      brush.fillStyle = colour(part.colour === undefined ? "--accent" : `--s${part.colour}`);
      const from = (part.start / duration) * width;
      brush.fillRect(from + 1, height - 4, Math.max(2, ((part.end - part.start) / duration) * width - 2), 3);
    }
  }
}
