// A live translation with OpenAI's own class for it, which always dials wss.
//
//   node translate.mjs PACKAGE BASE_URL SOUND.pcm
//
// PACKAGE is the name that a release is installed under. The sound is mono 16-bit at 24 kHz. Prints {"source": …, "text": …, "voice": …}; the voice is base64.
import fs from "node:fs";
import { once } from "node:events";

const FRAME = 4800;
const [name, baseURL, path] = process.argv.slice(2);
const { OpenAI } = await import(name);
const { OpenAIRealtimeTranslationWS } = await import(`${name}/realtime/translations/ws`);
const live = await OpenAIRealtimeTranslationWS.create(new OpenAI({ baseURL, apiKey: "any" }), { model: "gpt-realtime-translate" });
const said = { source: "", text: "", voice: [] };

live.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
live.on("session.input_transcript.delta", ({ delta }) => (said.source += delta));
live.on("session.output_transcript.delta", ({ delta }) => (said.text += delta));
live.on("session.output_audio.delta", ({ delta }) => said.voice.push(Buffer.from(delta, "base64")));
await once(live.socket.platformSocket, "open");
const audio = { input: { transcription: { model: "gpt-realtime-whisper" } }, output: { language: "es" } };
live.send({ type: "session.update", session: { audio } });
const sound = fs.readFileSync(path);
for (let at = 0; at < sound.length; at += FRAME) {
  const frame = sound.subarray(at, at + FRAME).toString("base64");
  live.send({ type: "session.input_audio_buffer.append", audio: frame });
}
await live.finish({ timeoutMs: 60_000 });
console.log(JSON.stringify({ ...said, voice: Buffer.concat(said.voice).toString("base64") }));
