// One live session: sound to /v1/realtime, and turns back.

import { ApiError, base, call, key } from "./api.js";
import { session } from "./snippets.js";

const LAST_WORDS = 10_000; // milliseconds that stopping waits for them
const EVENTS = "conversation.item.input_audio_transcription.";

const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));

/** What opens the socket: a client secret, or the key itself where the server passes keys on and issues none. */
async function credential(ask) {
  const body = JSON.stringify({ session: session(ask) });
  try {
    const options = { method: "POST", headers: { "content-type": "application/json" }, body };
    return (await call("/realtime/client_secrets", options)).body.value;
  } catch (error) {
    if (error.status === 403 && key()) return key();
    throw error;
  }
}

/** A session. `report` gets {turn, stash} when the text of a turn has changed, and {delay}, {error}, {tags}. Turns are
 *  {text, start, end} with times in seconds after `offset`. */
export class Talk {
  #turns = new Map();
  #open = new Set();
  #began = 0; // when the session's first sample was heard, by the page's clock

  constructor(offset, report) {
    this.offset = offset;
    this.report = report;
  }

  async start(ask) {
    const secret = await credential(ask);
    this.socket = new WebSocket(`${base.replace("http", "ws")}/realtime?intent=transcription`, [
      "realtime",
      `openai-insecure-api-key.${secret}`,
    ]);
    this.socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    this.closed = new Promise((resolve) => (this.socket.onclose = resolve));
    await new Promise((opened, failed) => {
      this.socket.onopen = opened;
      this.socket.onerror = () => failed(new ApiError(0, { code: "network", message: "WebSocket" }));
    });
    this.send({ type: "session.update", session: session(ask) });
  }

  send(event) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(event));
  }

  /** Sends 100 ms of sound. */
  take(pcm) {
    if (this.stopping) return;
    this.#began ||= performance.now() - 100;
    this.send({ type: "input_audio_buffer.append", audio: base64(pcm) });
  }

  /** Ends the sound, and the session after its last words. */
  async stop() {
    if (this.stopping) return;
    this.stopping = true;
    this.send({ type: "input_audio_buffer.commit" });
    setTimeout(() => this.socket.close(), LAST_WORDS);
    await this.closed;
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
      turn.text += event.delta;
      this.report({ turn, stash: event.dashscope?.stash ?? "", tags: event.dashscope });
    } else if (type === "completed") {
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
      else if (!this.#open.size) this.socket.close();
    }
  }

  #over(id) {
    this.#open.delete(id);
    if (this.stopping && !this.#open.size) this.socket.close();
  }

  /** Reports the time from when it was heard to when its words were here. */
  #delay(name, position) {
    this.report({ delay: [name, Math.max(0, Math.round((this.seconds - (position - this.offset)) * 1000))] });
  }
}
