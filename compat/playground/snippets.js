// "The code for this": the request that the page makes, as programs. The key is never written into them.

import { TRANSLATING } from "./snippets_translate.js";

export const LANGUAGES = ["curl", "Python", "Node", "Browser"];

/** The words of a list, one a line or between commas. */
export const listed = (words) => words.split(/[\n,，、]/).map((word) => word.trim()).filter(Boolean);

/** What the upload asks for, as form fields: [[name, value], …]. `limits` of captions come with captions. */
export function fields({ mode, model, language, prompt, keywords, limits }) {
  const shape = {
    times: [["response_format", "verbose_json"], ["timestamp_granularities[]", "word"], ["timestamp_granularities[]", "segment"]],
    stream: [["stream", "true"]],
    speakers: [["response_format", "diarized_json"], ["chunking_strategy", "auto"]],
    translate: [["response_format", "verbose_json"]],
  }[mode];
  const bias = [...(prompt ? [["prompt", prompt]] : []), ...keywords.map((word) => ["keywords[]", word])];
  return [["model", model], ...(language ? [["language", language]] : []), ...bias, ...shape, ...captions(limits)];
}

const captions = (limits) => (limits.length ? [["captions", "srt"], ...limits] : []);
const text = JSON.stringify;
const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`; // for a shell
const path = (mode) => (mode === "translate" ? "/audio/translations" : "/audio/transcriptions");
const method = (mode) => (mode === "translate" ? "translations" : "transcriptions");

/** A file as curl's -F takes it; it reads commas and semicolons in plain names as its own. */
function attached(name) {
  if (/^[\w.-]+$/.test(name)) return `file=@${name}`;
  return quoted(`file=@"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`);
}

function curl({ base, keyed, file = "speech.wav", ...ask }) {
  const lines = [`curl ${ask.mode === "stream" ? "-N " : ""}${base}${path(ask.mode)}`];
  if (keyed) lines.push('-H "Authorization: Bearer $OPENAI_API_KEY"');
  // --form-string, because -F reads values that begin with @ or < from files
  const form = fields(ask).map(([name, value]) => `${/^[@<]|;/.test(value) ? "--form-string" : "-F"} ${quoted(`${name}=${value}`)}`);
  return [...lines, `-F ${attached(file)}`, ...form].join(" \\\n  ");
}

/** The arguments of the clients' method: [[name, value as code], …], and those that only the form has. */
function options({ mode, model, language, prompt, keywords, limits }) {
  const shape = {
    times: [["response_format", '"verbose_json"'], ["timestamp_granularities", '["word", "segment"]']],
    stream: [["stream", "true"]],
    speakers: [["response_format", '"diarized_json"'], ["chunking_strategy", '"auto"']],
    translate: [["response_format", '"verbose_json"']],
  }[mode];
  const extra = { ...Object.fromEntries(captions(limits)), ...(keywords.length ? { keywords } : {}) };
  if (mode === "translate" && language) extra.language = language;
  const known = mode !== "translate" && language ? [["language", text(language)]] : [];
  return { known: [["model", text(model)], ...known, ...(prompt ? [["prompt", text(prompt)]] : []), ...shape], extra };
}

function python({ base, keyed, file = "speech.wav", ...ask }) {
  const { known, extra } = options(ask);
  const use = {
    stream: 'for event in answer:\n    if event.type == "transcript.text.delta":\n        print(event.delta, end="", flush=True)',
    speakers: "for segment in answer.segments:\n    print(segment.speaker, segment.text)",
  }[ask.mode] ?? "for segment in answer.segments:\n    print(segment.start, segment.end, segment.text)";
  const given = ["file=file", ...known.map(([name, value]) => `${name}=${value === "true" ? "True" : value}`)];
  if (Object.keys(extra).length) given.push(`extra_body=${text(extra)}`);
  return `from openai import OpenAI

client = OpenAI(base_url=${text(base)}${keyed ? "" : ', api_key="none-needed"'})
with open(${text(file)}, "rb") as file:
    answer = client.audio.${method(ask.mode)}.create(
        ${given.join(",\n        ")},
    )
${ask.limits.length ? 'print(answer.dashscope["captions"]["srt"])' : use}
`;
}

function node({ base, keyed, file = "speech.wav", ...ask }) {
  const { known, extra } = options(ask);
  const use = {
    stream: 'for await (const event of answer) {\n  if (event.type === "transcript.text.delta") process.stdout.write(event.delta);\n}',
    speakers: "for (const segment of answer.segments) console.log(segment.speaker, segment.text);",
  }[ask.mode] ?? "for (const segment of answer.segments) console.log(segment.start, segment.end, segment.text);";
  const given = [...known, ...Object.entries(extra).map(([name, value]) => [name, text(value)])].map(([name, value]) => `${name}: ${value}`);
  return `import fs from "node:fs";
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: ${text(base)}${keyed ? "" : ', apiKey: "none-needed"'} });
const answer = await client.audio.${method(ask.mode)}.create({
  file: await toFile(fs.createReadStream(${text(file)})), // without toFile, the package does not retry
  ${given.join(",\n  ")},
});
${ask.limits.length ? "console.log(answer.dashscope.captions.srt);" : use}
`;
}

function browser({ base, keyed, file: _, ...ask }) {
  const header = keyed ? '\n  headers: { Authorization: "Bearer " + key }, // ask the person for it; never ship one' : "";
  const use =
    ask.mode === "stream"
      ? `const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
let rest = "";
for (let part = await reader.read(); !part.done; part = await reader.read()) {
  const frames = (rest + part.value).split("\\n\\n");
  rest = frames.pop();
  for (const frame of frames.filter((frame) => frame.startsWith("data: "))) {
    const event = JSON.parse(frame.slice(6));
    if (event.type === "transcript.text.delta") document.body.append(event.delta);
  }
}`
      : ask.limits.length
        ? "document.body.append((await answer.json()).dashscope.captions.srt);"
        : `const { segments } = await answer.json();
for (const segment of segments) document.body.append(${ask.mode === "speakers" ? 'segment.speaker + ": ", ' : ""}segment.text, "\\n");`;
  return `// <input type="file">; a page of another origin must be named in the server's COMPAT_CORS_ORIGINS
const form = new FormData();
form.append("file", document.querySelector("input[type=file]").files[0]);
${fields(ask).map(([name, value]) => `form.append(${text(name)}, ${text(value)});`).join("\n")}
const answer = await fetch("${base}${path(ask.mode)}", {
  method: "POST",${header}
  body: form,
});
${use}
`;
}

/** What a live session transcribes with. */
const transcription = ({ model, language, prompt, keywords }) => ({
  model, ...(language ? { language } : {}), ...(prompt ? { prompt } : {}), ...(keywords.length ? { keywords } : {}),
});

/** A live session's configuration. */
export const session = (ask) => ({
  type: "transcription",
  audio: {
    input: {
      format: { type: "audio/pcm", rate: 24000 },
      transcription: transcription(ask),
      turn_detection: { type: "server_vad" },
    },
  },
});

function liveCurl({ base, keyed, ...ask }) {
  const key = keyed ? ' \\\n  -H "Authorization: Bearer $OPENAI_API_KEY"' : "";
  return `# a client secret: a key for one page and ten minutes, to open ${base.replace(/^http/, "ws")}/realtime with
curl ${base}/realtime/client_secrets${key} -H "Content-Type: application/json" \\
  -d ${quoted(text({ session: session(ask) }))}`;
}

function livePython({ base, keyed, ...ask }) {
  return `import asyncio, base64, wave
from openai import AsyncOpenAI  # pip install "openai[realtime]"

# ffmpeg -i speech.wav -ac 1 -ar 24000 speech-24k.wav
client = AsyncOpenAI(base_url=${text(base)}, websocket_base_url=${text(base.replace(/^http/, "ws"))}${keyed ? "" : ', api_key="none-needed"'})
session = {"type": "transcription", "audio": {"input": {
    "format": {"type": "audio/pcm", "rate": 24000}, "transcription": ${text(transcription(ask))}, "turn_detection": None}}}

async def main() -> None:
    with wave.open("speech-24k.wav", "rb") as file:
        assert file.getparams()[:3] == (1, 2, 24000), "not mono, 16-bit, 24 kHz"
        pcm = file.readframes(file.getnframes())
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as live:
        await live.session.update(session=session)
        for at in range(0, len(pcm), 4800):  # 100 ms
            await live.input_audio_buffer.append(audio=base64.b64encode(pcm[at : at + 4800]).decode())
        await live.input_audio_buffer.commit()
        async for event in live:
            if event.type == "conversation.item.input_audio_transcription.delta":
                print(event.delta, end="", flush=True)
            elif event.type == "conversation.item.input_audio_transcription.completed":
                break

asyncio.run(main())
`;
}

function liveNode({ base, keyed, ...ask }) {
  const configured = { ...session(ask) };
  configured.audio.input.turn_detection = null;
  const key = keyed ? ', "openai-insecure-api-key." + process.env.OPENAI_API_KEY' : "";
  return `import fs from "node:fs";
import WebSocket from "ws"; // npm install ws

// ffmpeg -i speech.wav -ac 1 -ar 24000 speech-24k.wav
const wav = fs.readFileSync("speech-24k.wav");
if (wav.readUInt16LE(22) !== 1 || wav.readUInt32LE(24) !== 24000) throw new Error("not mono, 16-bit, 24 kHz");
const pcm = wav.subarray(wav.indexOf("data") + 8);
const socket = new WebSocket("${base.replace(/^http/, "ws")}/realtime?intent=transcription", ["realtime"${key}]);
const send = (event) => socket.send(JSON.stringify(event));
socket.onopen = () => {
  send({ type: "session.update", session: ${text(configured)} });
  for (let at = 0; at < pcm.length; at += 4800)
    send({ type: "input_audio_buffer.append", audio: pcm.subarray(at, at + 4800).toString("base64") });
  send({ type: "input_audio_buffer.commit" });
};
socket.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.type.endsWith("input_audio_transcription.delta")) process.stdout.write(event.delta);
  if (event.type.endsWith("input_audio_transcription.completed")) socket.close();
};
`;
}

/** How a page gets its client secret, as `value`. */
const issued = ({ base, keyed, ...ask }) => `// Your own server fetches the client secret, so that no key is in the page.
const issued = await fetch("${base}/realtime/client_secrets", {
  method: "POST",
  headers: { "Content-Type": "application/json"${keyed ? ', Authorization: "Bearer " + key' : ""} },
  body: JSON.stringify({ session: ${text(session(ask))} }),
});
const { value } = await issued.json();
`;

function liveBrowser({ base, keyed, ...ask }) {
  return `${issued({ base, keyed, ...ask })}const socket = new WebSocket("${base.replace(/^http/, "ws")}/realtime?intent=transcription",
  ["realtime", "openai-insecure-api-key." + value]);
socket.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.type.endsWith("input_audio_transcription.delta")) document.body.append(event.delta);
  if (event.type.endsWith("input_audio_transcription.completed")) document.body.append("\\n"); // between two turns
};
await new Promise((opened) => (socket.onopen = opened));

const sound = new AudioContext({ sampleRate: 24000 });
addEventListener("click", () => sound.resume(), { once: true }); // before a click, browsers give a page no sound
await sound.audioWorklet.addModule("${base.replace(/\/v1$/, "")}/playground/worklet.js");
const microphone = new AudioWorkletNode(sound, "microphone");
microphone.port.onmessage = ({ data }) => {
  const audio = btoa(String.fromCharCode(...new Uint8Array(data.pcm)));
  socket.send(JSON.stringify({ type: "input_audio_buffer.append", audio }));
};
sound.createMediaStreamSource(await navigator.mediaDevices.getUserMedia({ audio: true })).connect(microphone);
`;
}

/** The same by WebRTC. */
function liveCall({ base, keyed, ...ask }) {
  return `${issued({ base, keyed, ...ask })}const connection = new RTCPeerConnection();
const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
connection.addTrack(stream.getTracks()[0]);
connection.createDataChannel("oai-events").onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.type.endsWith("input_audio_transcription.delta")) document.body.append(event.delta);
  if (event.type.endsWith("input_audio_transcription.completed")) document.body.append("\\n"); // between two turns
};
await connection.setLocalDescription(await connection.createOffer());
const answer = await fetch("${base}/realtime/calls", {
  method: "POST",
  headers: { "Content-Type": "application/sdp", Authorization: "Bearer " + value },
  body: connection.localDescription.sdp,
});
await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
`;
}

const FILE = { curl, Python: python, Node: node, Browser: browser };
const LIVE = { curl: liveCurl, Python: livePython, Node: liveNode, Browser: (ask) => (ask.transport === "webrtc" ? liveCall : liveBrowser)(ask) };

const BY_MODE = { live: LIVE, interpret: TRANSLATING };

export const snippet = (language, ask) => (BY_MODE[ask.mode] ?? FILE)[language](ask);
