// What is heard live: the microphone, or a file that plays. Both arrive as {pcm: 100 ms at 24 kHz, level} in `take`.

import { ApiError, microphoneError } from "./api.js";

const RATE = 24_000;
const FRAME = RATE / 10;
const LOOK = 50; // milliseconds between two looks at how far a file has played
const STARTING = 5000; // milliseconds for the browser's sound to start

/** 16-bit samples in base64, as a session takes them. */
export const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));

/** Connects the worklet to what `connect(context)` returns. */
async function opened(rate, take, connect) {
  const context = new AudioContext(rate && { sampleRate: rate });
  try {
    await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    const node = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }) => take(data);
    (await connect(context)).connect(node);
    return context;
  } catch (error) {
    await context.close();
    throw error;
  }
}

const close = (context) => context.close().catch(() => {}); // it may be closed already

/** Waits until a context runs. Without a device to play on, Firefox never starts it. Raises ApiError. */
function running(context) {
  const failed = new ApiError(0, { code: "no_sound", message: "" });
  return Promise.race([context.resume(), new Promise((_, fail) => setTimeout(fail, STARTING, failed))]);
}

/** The stream of the microphone. Raises ApiError. */
export async function input(audio) {
  try {
    if (!navigator.mediaDevices) throw new DOMException("", "NotAllowedError"); // plain http from another machine
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw microphoneError(error);
  }
}

/** Opens the microphone. `ended` gets an ApiError when it is unplugged. `streamed`: a call sends its stream, and `take` may get
 *  nothing. Returns its stream, and what closes it. Raises ApiError. */
export async function microphone(take, ended, streamed) {
  const stream = await input({ channelCount: 1, echoCancellation: true });
  stream.getAudioTracks()[0].onended = () => ended(new ApiError(0, { code: "no_microphone", message: "" }));
  const connect = (context) => context.createMediaStreamSource(stream);
  let context;
  const hush = () => {
    for (const track of stream.getTracks()) track.stop();
    if (context) close(context);
  };
  try {
    // Firefox connects a microphone only to a context of its own rate; the worklet resamples then.
    context = await opened(RATE, take, connect).catch(() => opened(0, take, connect));
    if (!streamed) await running(context);
  } catch (error) {
    hush();
    throw error;
  }
  return { stream, close: hush };
}

/** A recording as {pcm, level} of 100 ms at a time, from `from` to `to` in samples. */
function* frames(recording, from, to) {
  const channels = Array.from({ length: recording.numberOfChannels }, (_, n) => recording.getChannelData(n));
  const sample = (at) => channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length;
  for (let at = from; at < to; at += FRAME) {
    const mixed = Array.from({ length: Math.min(FRAME, to - at) }, (_, n) => sample(at + n));
    const level = mixed.reduce((loudest, value) => Math.max(loudest, Math.abs(value)), 0);
    yield { pcm: Int16Array.from(mixed, (value) => Math.max(-1, Math.min(1, value)) * 32767).buffer, level };
  }
}

/** Plays a file, aloud, and calls `ended` at its end. `volume()` is between 0 and 1. Returns its stream, and what stops it.
 *  Raises ApiError. Needs no worklet, which pages that another machine serves by plain http do not have. */
export async function player(file, take, ended, volume) {
  const context = new AudioContext({ sampleRate: RATE }); // what it decodes has its rate
  const source = context.createBufferSource();
  const undecoded = ({ message }) => Promise.reject(new ApiError(0, { code: "not_playable", message }));
  try {
    source.buffer = await file.arrayBuffer().then((bytes) => context.decodeAudioData(bytes)).catch(undecoded);
    await running(context);
  } catch (error) {
    close(context);
    throw error;
  }
  const output = context.createMediaStreamDestination();
  source.connect(output);
  const heard = new GainNode(context, { gain: volume() });
  source.connect(heard).connect(context.destination);
  const began = context.currentTime;
  let sent = 0; // samples
  const send = (to) => {
    for (const frame of frames(source.buffer, sent, to)) take(frame);
    sent = to;
  };
  const playing = setInterval(() => {
    heard.gain.value = volume();
    const played = Math.min(source.buffer.length, Math.floor((context.currentTime - began) * RATE));
    send(sent + Math.floor((played - sent) / FRAME) * FRAME);
  }, LOOK);
  source.onended = () => {
    clearInterval(playing);
    send(source.buffer.length);
    ended();
  };
  source.start();
  const stop = () => {
    clearInterval(playing);
    source.onended = null;
    close(context);
  };
  return { stream: output.stream, close: stop };
}
