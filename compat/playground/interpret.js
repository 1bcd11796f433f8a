// One session of live translation: sound to the server; its text, the translation and a voice back.

import { ApiError } from "./api.js";
import { dial, socket } from "./line.js";
import { base64 } from "./sound.js";
import { interpretation } from "./snippets_translate.js";

const LAST_WORDS = 30_000; // milliseconds that stopping waits for them
const HEARD = 0.02; // level from which sound counts as speech

/** A session. `report` gets {source} or {target} with text to append, {voice} with sound, and {session}, {error}, {delay}:
 *  the milliseconds from the first speech to this text or voice, once each, and {unsent}: the seconds of sound that the
 *  network has not taken. */
export class Interpretation {
  #held = []; // sound that is not sent yet
  #began = 0; // when the first speech was heard, by the page's clock
  #measured = new Set();

  constructor(report) {
    this.report = report;
  }

  async start(ask, signal) {
    const path = `/realtime/translations?model=${encodeURIComponent(ask.model)}`;
    const open = (secret) => socket(path, secret, (event) => this.#hear(event), signal);
    this.line = await dial("/realtime/translations/client_secrets", interpretation(ask), open, signal);
    this.closed = this.line.closed;
    this.update(ask);
  }

  update(ask) {
    const { audio } = interpretation(ask); // the model stays
    this.line?.send({ type: "session.update", session: { audio } });
  }

  /** Takes 100 ms of sound, and sends 200 ms at a time. */
  take(pcm, level) {
    if (this.stopping) return;
    if (level > HEARD) this.#began ||= performance.now() - 100;
    this.#held.push(pcm);
    if (this.#held.length === 2) this.#send();
  }

  #send() {
    if (!this.#held.length) return;
    const sound = this.#held.flatMap((pcm) => [...new Uint8Array(pcm)]);
    this.line.send({ type: "session.input_audio_buffer.append", audio: base64(sound) });
    this.#held = [];
    this.report({ unsent: this.line.unsent() });
  }

  close() {
    this.line?.close();
  }

  /** Ends the sound, and the session after its last words. */
  async stop() {
    if (this.stopping) return;
    this.stopping = true;
    this.#send();
    this.line.send({ type: "session.close" });
    const giveUp = () => {
      this.report({ error: new ApiError(0, { code: "last_words", message: "" }) });
      this.close();
    };
    const late = setTimeout(giveUp, LAST_WORDS);
    await this.closed;
    clearTimeout(late);
  }

  #hear({ type, delta, session, error }) {
    if (type !== "session.closed") this.failed = type === "error"; // the reason, if the session ends now
    this.heard ||= type.endsWith("transcript.delta");
    if (type === "session.input_transcript.delta") this.report({ source: delta });
    else if (type === "session.output_transcript.delta") this.report({ target: delta, delay: this.#delay("target") });
    else if (type === "session.output_audio.delta") this.report({ voice: delta, delay: this.#delay("voice") });
    else if (type === "session.created" || type === "session.updated") this.report({ session });
    else if (type === "session.closed") this.close();
    else if (type === "error") this.report({ error: new ApiError(0, error) });
  }

  #delay(kind) {
    if (this.#measured.has(kind) || !this.#began) return undefined;
    this.#measured.add(kind);
    return Math.round(performance.now() - this.#began);
  }
}
