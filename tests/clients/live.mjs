// A live transcription with OpenAI's own package for Node, which always dials wss.
//
//   node live.mjs PACKAGE BASE_URL SOUND.pcm vad|BYTE,BYTE,… PACE [MODEL …]
//
// PACKAGE is the name that a release is installed under. As live.py beside it: mono 16-bit sound at 24 kHz; prints a line a turn: {"transcript": …, "deltas": …}.
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const FRAME = 4800;
const [name, baseURL, path, mode, pace, ...models] = process.argv.slice(2);
const { OpenAI } = await import(name);
const { OpenAIRealtimeWS } = await import(`${name}/realtime/ws`);
const vad = mode === "vad";
const sound = Buffer.concat([fs.readFileSync(path), Buffer.alloc(vad ? FRAME * 15 : 0)]);
const ends = new Set(vad ? [] : mode.split(",").map(Number));
const client = new OpenAI({ baseURL, apiKey: "any" });

function transcribe(model) {
  const live = new OpenAIRealtimeWS({ model: "gpt-4o-transcribe" }, client);
  const input = {
    format: { type: "audio/pcm", rate: 24000 },
    transcription: { model },
    ...(vad ? {} : { turn_detection: null }),
  };
  const deltas = {};
  let left = vad ? Infinity : ends.size;
  let last; // under VAD the turn in which the sound ends

  live.on("error", (error) => {
    console.error(error);
    process.exit(1);
  });
  live.on("session.created", async () => {
    live.send({ type: "session.update", session: { type: "transcription", audio: { input } } });
    const starts = [...new Set([...Array(Math.ceil(sound.length / FRAME)).keys()].map((n) => n * FRAME).concat(...ends))];
    const cuts = [...starts.filter((at) => at < sound.length).sort((a, b) => a - b), sound.length];
    for (let n = 0; n + 1 < cuts.length; n++) {
      const frame = sound.subarray(cuts[n], cuts[n + 1]);
      live.send({ type: "input_audio_buffer.append", audio: frame.toString("base64") });
      if (ends.has(cuts[n + 1])) live.send({ type: "input_audio_buffer.commit" });
      await sleep((1000 * frame.length) / 48000 / Number(pace));
    }
  });
  live.on("input_audio_buffer.speech_stopped", (event) => {
    if (event.audio_end_ms >= (sound.length - 15 * FRAME) / 48 - 3500) last = event.item_id;
  });
  live.on("conversation.item.input_audio_transcription.delta", (event) => {
    deltas[event.item_id] = (deltas[event.item_id] ?? "") + event.delta;
  });
  return new Promise((resolve) => {
    live.on("conversation.item.input_audio_transcription.completed", (event) => {
      console.log(JSON.stringify({ transcript: event.transcript, deltas: deltas[event.item_id] ?? "" }));
      left -= 1;
      if (left !== 0 && event.item_id !== last) return;
      live.close();
      resolve();
    });
  });
}

for (const model of models.length ? models : ["gpt-4o-transcribe"]) await transcribe(model);
