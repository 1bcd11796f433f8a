// One live session: sound to the server, and turns back.

import { ApiError } from "./api.js";
import { dial, phone, socket } from "./line.js";
import { session } from "./snippets.js";
import { base64 } from "./sound.js";

const LAST_WORDS = 10_000; // milliseconds that stopping waits for them
const EVENTS = "conversation.item.input_audio_transcription.";

/** A session. `report` gets {turn, stash} when the text of a turn has changed, and {delay}, {error}, {tags}, and {unsent}: the
 *  seconds of sound that the network has not taken. Turns are {text, start, end} with times in seconds after `offset`. */
export class Talk {
  #turns = new Map();
  #open = new Set();
  #began = 0; // when the session's first sample was heard, by the page's clock

  constructor(offset, report) {
    this.offset = offset;
    this.report = report;
  }

  async start(ask, signal) {
    const hear = (event) => this.#hear(event);
    const open = (secret) =>
      ask.transport === "webrtc" ? phone(secret, hear, signal) : socket("/realtime?intent=transcription", secret, hear, signal);
    this.line = await dial("/realtime/client_secrets", session(ask), open, signal);
    this.closed = this.line.closed;
    this.line.send({ type: "session.update", session: session(ask) });
  }

  /** Takes 100 ms of sound. A call sends the sound of its stream itself. */
  take(pcm) {
    if (this.stopping) return;
    this.#began ||= performance.now() - 100;
    if (this.line.attach) return;
    this.line.send({ type: "input_audio_buffer.append", audio: base64(pcm) });
    this.report({ unsent: this.line.unsent() });
  }

  close() {
    this.line?.close();
  }

  /** Ends the sound, and the session after its last words. */
  async stop() {
    if (this.stopping) return;
    this.stopping = true;
    this.line.send({ type: "input_audio_buffer.commit" });
    const giveUp = () => {
      this.report({ error: new ApiError(0, { code: "last_words", message: "" }) });
      this.close();
    };
    const waiting = setTimeout(giveUp, LAST_WORDS);
    await this.closed;
    clearTimeout(waiting);
  }

  /** Seconds of sound so far. */
  get seconds() {
    return this.#began && (performance.now() - this.#began) / 1000;
  }

  #turn(id) {
    if (!this.#turns.has(id)) this.#turns.set(id, { text: "", start: this.offset, end: 0 });
    return this.#turns.get(id);
  }

  #hear(event) {
    this.failed = event.type === "error"; // the reason, if the session ends now
    const type = event.type.replace(EVENTS, "");
    const turn = event.item_id && this.#turn(event.item_id);
    if (type === "input_audio_buffer.speech_started") {
      turn.start = this.offset + event.audio_start_ms / 1000;
      this.#open.add(event.item_id);
    } else if (type === "input_audio_buffer.speech_stopped") {
      turn.end = this.offset + event.audio_end_ms / 1000;
    } else if (type === "input_audio_buffer.committed") {
      this.#open.add(event.item_id);
    } else if (type === "delta") {
      if (!turn.text && turn.start > this.offset) this.#delay("first", turn.start);
      this.heard = true;
      turn.text += event.delta;
      this.report({ turn, stash: event.dashscope?.stash ?? "", tags: event.dashscope });
    } else if (type === "completed") {
      this.heard ||= Boolean(event.transcript.trim());
      turn.text = event.transcript;
      turn.end ||= this.offset + this.seconds;
      this.#delay("settled", turn.end);
      this.report({ turn, stash: "", tags: event.dashscope });
      this.#over(event.item_id);
    } else if (type === "failed") {
      this.report({ error: new ApiError(0, event.error) });
      this.#over(event.item_id);
    } else if (type === "error") {
      if (event.error.code !== "input_audio_buffer_commit_empty") this.report({ error: new ApiError(0, event.error) });
      else if (!this.#open.size) this.close();
    }
  }

  #over(id) {
    this.#open.delete(id);
    if (this.stopping && !this.#open.size) this.close();
  }

  /** Reports the time from when it was heard to when its words were here. */
  #delay(name, position) {
    this.report({ delay: [name, Math.max(0, Math.round((this.seconds - (position - this.offset)) * 1000))] });
  }
}
