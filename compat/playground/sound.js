// What is heard live: the microphone, or a file that plays. Both arrive as {pcm: 100 ms at 24 kHz, level} in `take`.

import { ApiError, microphoneError } from "./api.js";

const RATE = 24_000;

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

const close = (context) => context.state !== "closed" && context.close();

/** Opens the microphone. Returns its stream, and what closes it. Raises ApiError. */
export async function microphone(take) {
  let stream;
  try {
    if (!navigator.mediaDevices) throw new DOMException("", "NotAllowedError"); // plain http from another machine
    stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true } });
  } catch (error) {
    throw microphoneError(error);
  }
  const connect = (context) => context.createMediaStreamSource(stream);
  // Firefox connects a microphone only to a context of its own rate; the worklet resamples then.
  const context = await opened(RATE, take, connect).catch(() => opened(0, take, connect));
  const hush = () => {
    for (const track of stream.getTracks()) track.stop();
    close(context);
  };
  return { stream, close: hush };
}

/** Plays a file, aloud, and calls `ended` at its end. `volume` is between 0 and 1. Returns its stream, and what stops it.
 *  Raises ApiError. */
export async function player(file, take, ended, volume) {
  let output;
  const context = await opened(RATE, take, async (context) => {
    const source = context.createBufferSource();
    source.buffer = await context.decodeAudioData(await file.arrayBuffer()).catch(({ message }) => {
      throw new ApiError(0, { code: "not_playable", message });
    });
    output = context.createMediaStreamDestination();
    source.connect(output);
    source.connect(new GainNode(context, { gain: volume })).connect(context.destination);
    source.onended = ended;
    source.start();
    return source;
  });
  return { stream: output.stream, close: () => close(context) };
}
