// "The code for this" for live translation.

const text = JSON.stringify;
const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`; // for a shell
const live = (base) => base.replace(/^http/, "ws");
const audio = ({ target }) => ({ input: { transcription: { model: "gpt-realtime-whisper" } }, output: { language: target } });

/** The configuration of a session that translates. */
export const interpretation = (ask) => ({ model: ask.model, audio: audio(ask) });

function curl({ base, keyed, ...ask }) {
  const key = keyed ? ' \\\n  -H "Authorization: Bearer $OPENAI_API_KEY"' : "";
  return `# a client secret: a key for one page and ten minutes, to open ${live(base)}/realtime/translations with
curl ${base}/realtime/translations/client_secrets${key} -H "Content-Type: application/json" \\
  -d ${quoted(text({ session: interpretation(ask) }))}`;
}

function python({ base, keyed, ...ask }) {
  return `import asyncio, base64, wave
from openai import AsyncOpenAI  # pip install "openai[realtime]"

# ffmpeg -i speech.wav -ac 1 -ar 24000 speech-24k.wav
client = AsyncOpenAI(base_url=${text(base)}, websocket_base_url=${text(live(base))}${keyed ? "" : ', api_key="none-needed"'})

async def main() -> None:
    with wave.open("speech-24k.wav", "rb") as file:
        assert file.getparams()[:3] == (1, 2, 24000), "not mono, 16-bit, 24 kHz"
        pcm = file.readframes(file.getnframes())
    voice = bytearray()
    async with client.realtime.translations.connect(model=${text(ask.model)}) as live:
        await live.session.update(session={"audio": ${text(audio(ask))}})
        for at in range(0, len(pcm), 9600):  # 200 ms
            sound = base64.b64encode(pcm[at : at + 9600]).decode()
            await live.session.input_audio_buffer.append(audio=sound)
        await live.session.close()
        async for event in live:
            if event.type == "session.output_transcript.delta":
                print(event.delta, end="", flush=True)
            elif event.type == "session.output_audio.delta":
                voice += base64.b64decode(event.delta)
    with wave.open("voice.wav", "wb") as file:
        file.setparams((1, 2, 24000, 0, "NONE", ""))
        file.writeframes(voice)

asyncio.run(main())
`;
}

function node({ base, keyed, ...ask }) {
  const key = keyed ? ', "openai-insecure-api-key." + process.env.OPENAI_API_KEY' : "";
  return `import fs from "node:fs";
import WebSocket from "ws"; // npm install ws

// ffmpeg -i speech.wav -ac 1 -ar 24000 speech-24k.wav
const wav = fs.readFileSync("speech-24k.wav");
if (wav.readUInt16LE(22) !== 1 || wav.readUInt32LE(24) !== 24000) throw new Error("not mono, 16-bit, 24 kHz");
const pcm = wav.subarray(wav.indexOf("data") + 8);
const voice = [];
const socket = new WebSocket(${text(`${live(base)}/realtime/translations?model=${encodeURIComponent(ask.model)}`)}, ["realtime"${key}]);
const send = (event) => socket.send(JSON.stringify(event));
socket.onopen = () => {
  send({ type: "session.update", session: ${text({ audio: audio(ask) })} });
  for (let at = 0; at < pcm.length; at += 9600) // 200 ms
    send({ type: "session.input_audio_buffer.append", audio: pcm.subarray(at, at + 9600).toString("base64") });
  send({ type: "session.close" });
};
socket.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.type === "session.output_transcript.delta") process.stdout.write(event.delta);
  if (event.type === "session.output_audio.delta") voice.push(Buffer.from(event.delta, "base64"));
  if (event.type === "session.closed") socket.close();
};
socket.onclose = () => fs.writeFileSync("voice.pcm", Buffer.concat(voice)); // mono, 16-bit, 24 kHz
`;
}

function browser({ base, keyed, ...ask }) {
  return `// Your own server fetches the client secret, so that no key is in the page.
const issued = await fetch("${base}/realtime/translations/client_secrets", {
  method: "POST",
  headers: { "Content-Type": "application/json"${keyed ? ', Authorization: "Bearer " + key' : ""} },
  body: JSON.stringify({ session: ${text(interpretation(ask))} }),
});
const { value } = await issued.json();
const { Voice } = await import("${base.replace(/\/v1$/, "")}/playground/voice.js"); // plays what comes, without gaps
const voice = new Voice();
voice.begin();
const socket = new WebSocket(${text(`${live(base)}/realtime/translations?model=${encodeURIComponent(ask.model)}`)},
  ["realtime", "openai-insecure-api-key." + value]);
socket.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.type === "session.output_transcript.delta") document.body.append(event.delta);
  if (event.type === "session.output_audio.delta") voice.add(event.delta);
};
await new Promise((opened) => (socket.onopen = opened));

const sound = new AudioContext({ sampleRate: 24000 });
addEventListener("click", () => (sound.resume(), voice.begin()), { once: true }); // before a click, browsers keep a page silent
await sound.audioWorklet.addModule("${base.replace(/\/v1$/, "")}/playground/worklet.js");
const microphone = new AudioWorkletNode(sound, "microphone");
microphone.port.onmessage = ({ data }) => {
  const audio = btoa(String.fromCharCode(...new Uint8Array(data.pcm)));
  socket.send(JSON.stringify({ type: "session.input_audio_buffer.append", audio }));
};
const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true } });
sound.createMediaStreamSource(stream).connect(microphone);
// To stop: socket.send('{"type":"session.close"}'); the last words come before the socket closes.
`;
}

export const TRANSLATING = { curl, Python: python, Node: node, Browser: browser };
