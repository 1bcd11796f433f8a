// The voice of a translation: what comes is played piece after piece, without gaps.

const RATE = 24_000;
const LEAD = 0.1; // seconds before the first piece, and after the voice has run dry

/** 16-bit PCM in base64, as samples between -1 and 1. */
function samples(coded) {
  const bytes = Uint8Array.from(atob(coded), (letter) => letter.charCodeAt(0));
  return Float32Array.from(new Int16Array(bytes.buffer, 0, bytes.length >> 1), (sample) => sample / 32768);
}

export class Voice {
  #context = null;
  #gain = null;
  #sources = new Set();
  #from = 0; // when the voice last began after silence, by the context's clock
  #until = 0; // when the last piece ends
  #volume = 1;
  seconds = 0; // that came

  /** Makes ready for a session. Browsers let a page play sound only after a click: call this in its handler. */
  begin() {
    this.#context ??= new AudioContext({ sampleRate: RATE });
    this.#context.resume();
    if (!this.#gain) (this.#gain = new GainNode(this.#context, { gain: this.#volume })).connect(this.#context.destination);
    this.end();
  }

  /** Ends what is not heard yet. */
  end() {
    for (const source of this.#sources) source.stop();
    this.#sources.clear();
    this.#until = this.seconds = 0;
  }

  /** Plays a piece after those before it. Returns the seconds until it is heard. */
  add(coded) {
    const pcm = samples(coded);
    const now = this.#context.currentTime;
    if (!pcm.length) return 0;
    const buffer = new AudioBuffer({ length: pcm.length, sampleRate: RATE });
    buffer.copyToChannel(pcm, 0);
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    source.connect(this.#gain);
    if (this.#until <= now) this.#from = this.#until = now + LEAD;
    const at = this.#until;
    source.start(at);
    source.onended = () => this.#sources.delete(source);
    this.#sources.add(source);
    this.#until = at + buffer.duration;
    this.seconds += buffer.duration;
    return at - now;
  }

  /** Seconds that came and are not heard yet. */
  get waiting() {
    return this.#context ? Math.max(0, this.#until - Math.max(this.#from, this.#context.currentTime)) : 0;
  }

  /** Sets how loud it is, from 0 to 1. */
  set volume(volume) {
    this.#volume = volume;
    this.#gain?.gain.setTargetAtTime(volume, this.#context.currentTime, 0.02);
  }
}
