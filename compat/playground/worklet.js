// The microphone as 16-bit samples at 24 kHz, 100 ms at a time, with their loudest.

const RATE = 24_000;
const FRAME = RATE / 10;

class Microphone extends AudioWorkletProcessor {
  #frame = new Int16Array(FRAME);
  #filled = 0;
  #loudest = 0;
  #position = 0; // of the next output sample, in input samples from the start of this block
  #last = 0;

  process([[input]]) {
    if (!input) return true;
    const step = sampleRate / RATE;
    for (; this.#position < input.length; this.#position += step) {
      const at = Math.floor(this.#position);
      const before = at === 0 ? this.#last : input[at - 1];
      this.#put(before + (input[at] - before) * (step === 1 ? 1 : this.#position - at));
    }
    this.#position -= input.length;
    this.#last = input.at(-1);
    return true;
  }

  #put(sample) {
    this.#loudest = Math.max(this.#loudest, Math.abs(sample));
    this.#frame[this.#filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
    if (this.#filled < FRAME) return;
    this.port.postMessage({ pcm: this.#frame.buffer, level: this.#loudest }, [this.#frame.buffer]);
    this.#frame = new Int16Array(FRAME);
    this.#filled = this.#loudest = 0;
  }
}

registerProcessor("microphone", Microphone);
