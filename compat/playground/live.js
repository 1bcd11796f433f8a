// The microphone to /v1/realtime and captions back: settled words dark, tentative ones light.

import { ApiError, base, call, key, unheard } from "./api.js";
import { plain, save, srt } from "./captions.js";
import { say } from "./i18n.js";
import { session } from "./snippets.js";
import { announce, complain, copy, tags } from "./upload.js";

const LAST_WORDS = 10_000; // milliseconds that stopping waits for them
const LOST = 1006; // the close code of a connection without a close frame
const EVENTS = "conversation.item.input_audio_transcription.";
const at = (id) => document.getElementById(id);

let talk = null;
let items = []; // of the last session: {text, stash, start, end, node}

export const asked = () => ({
  mode: "live",
  model: at("live-model").value.trim() || "gpt-live-transcribe",
  language: at("live-spoken").value.trim(),
});

/** What opens the socket: a client secret, or the key itself where the server passes keys on and issues none. */
async function credential() {
  const body = JSON.stringify({ session: session(asked()) });
  try {
    const options = { method: "POST", headers: { "content-type": "application/json" }, body };
    return (await call("/realtime/client_secrets", options)).body.value;
  } catch (error) {
    if (error.status === 403 && key()) return key();
    throw error;
  }
}

async function microphone(take) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  } catch (error) {
    throw unheard(error);
  }
  const listen = async (context) => {
    await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    const node = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }) => take(data);
    context.createMediaStreamSource(stream).connect(node);
    return context;
  };
  // Firefox connects a microphone only to a context of its own rate; the worklet resamples then.
  const context = await listen(new AudioContext({ sampleRate: 24000 })).catch(() => listen(new AudioContext()));
  return () => {
    for (const track of stream.getTracks()) track.stop();
    if (context.state !== "closed") context.close();
  };
}

/** What may change follows a sentence without the space between them. */
const spaced = (settled, light) => (/[.,;:!?]$/.test(settled) && /^[\p{L}\p{N}]/u.test(light) ? ` ${light}` : light);

const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));

class Talk {
  #items = new Map();
  #open = new Set();
  #began = 0; // when the session's first sample was heard, by the page's clock
  #delays = new Map([["first"], ["settled"]]);
  #configured = false;

  async start() {
    const secret = await credential();
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
    this.send({ type: "session.update", session: session(asked()) });
    this.hush = await microphone((heard) => this.#take(heard));
  }

  send(event) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(event));
  }

  async stop() {
    this.hush?.();
    meter(0);
    this.stopping = true;
    this.send({ type: "input_audio_buffer.commit" });
    setTimeout(() => this.socket.close(), LAST_WORDS);
    await this.closed;
  }

  #take({ pcm, level }) {
    if (this.stopping) return;
    this.#began ||= performance.now() - 100;
    meter(level);
    this.send({ type: "input_audio_buffer.append", audio: base64(pcm) });
  }

  #item(id) {
    if (!this.#items.has(id)) {
      const node = Object.assign(document.createElement("p"), { dir: "auto" });
      const [text, stash] = [document.createElement("span"), document.createElement("span")];
      stash.className = "stash";
      node.append(text, stash);
      const item = { text: "", start: 0, end: 0, node, show: (light) => ([text.textContent, stash.textContent] = [item.text, spaced(item.text, light)]) };
      this.#items.set(id, item);
      items.push(item);
      at("captions").append(node);
    }
    return this.#items.get(id);
  }

  #hear(event) {
    const type = event.type.replace(EVENTS, "");
    const item = event.item_id && this.#item(event.item_id);
    if (type === "input_audio_buffer.speech_started") {
      item.start = event.audio_start_ms / 1000;
      this.#open.add(event.item_id);
    } else if (type === "input_audio_buffer.speech_stopped") {
      item.end = event.audio_end_ms / 1000;
    } else if (type === "input_audio_buffer.committed") {
      this.#open.add(event.item_id);
      this.committed = true;
    } else if (type === "delta") {
      if (!item.text && item.start) this.#delay("first", item.start);
      item.text += event.delta;
      item.show(event.dashscope?.stash ?? "");
      this.#told(event);
    } else if (type === "completed") {
      item.text = event.transcript;
      item.end ||= (performance.now() - this.#began) / 1000;
      item.show("");
      if (item.end) this.#delay("settled", item.end);
      this.#told(event);
      this.#over(event.item_id);
    } else if (type === "failed") {
      complain(at("live-error"), new ApiError(0, event.error));
      this.#over(event.item_id);
    } else if (type === "error") {
      if (event.error.code !== "input_audio_buffer_commit_empty") complain(at("live-error"), new ApiError(0, event.error));
      else if (!this.#open.size) this.socket.close();
    }
    at("captions").scrollTop = at("captions").scrollHeight;
  }

  #told({ dashscope }) {
    if (dashscope?.language || dashscope?.emotion) tags(at("live-tags"), [dashscope.language, dashscope.emotion]);
  }

  #over(id) {
    this.#open.delete(id);
    if (this.stopping && !this.#open.size) this.socket.close();
  }

  /** From when the microphone heard it to when its words were on the page. */
  #delay(name, position) {
    this.#delays.set(name, Math.max(0, Math.round(performance.now() - this.#began - position * 1000)));
    const known = [...this.#delays].filter(([, ms]) => ms !== undefined);
    at("delay").textContent = known.map(([what, ms]) => `${say(what)} ${ms} ${say("ms")}`).join(" · ");
  }
}

function meter(level) {
  const brush = at("level").getContext("2d");
  const { width, height } = at("level");
  const style = getComputedStyle(document.documentElement);
  brush.clearRect(0, 0, width, height);
  const loud = level > 0 ? Math.max(0, 1 + Math.log10(level) / 3) : 0;
  for (let x = 0; x < width; x += 8) {
    brush.fillStyle = style.getPropertyValue(x / width < loud ? "--accent" : "--line");
    brush.beginPath();
    brush.roundRect(x, 3, 5, height - 6, 2);
    brush.fill();
  }
}

function look(talking) {
  at("start").hidden = talking;
  at("stop").hidden = !talking;
  at("live-downloads").hidden = talking || !items.length;
}

async function begin() {
  at("live-error").hidden = true;
  at("captions").replaceChildren();
  items = [];
  look(true);
  at("stop").disabled = true;
  talk = new Talk();
  try {
    await talk.start();
    at("stop").disabled = false;
    at("stop").focus();
    const { code, reason } = await talk.closed;
    if (!talk.stopping) throw new ApiError(0, { code: code === LOST ? "network" : "session_ended", message: `${code} ${reason}` });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    complain(at("live-error"), error);
  } finally {
    talk.hush?.();
    talk.socket?.close();
    items = items.filter((item) => item.text.trim());
    meter(0);
    look(false);
    announce(say("done"));
  }
}

export function start() {
  meter(0);
  at("start").onclick = begin;
  at("stop").onclick = () => talk.stop();
  at("live-downloads").onclick = ({ target }) => {
    if (target.dataset.format) save(`captions.${target.dataset.format}`, target.dataset.format === "srt" ? srt(items) : plain(items));
  };
  at("live-copy").onclick = () => copy(plain(items));
}
