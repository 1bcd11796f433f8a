// Transcribe a file, with timestamps: node plain.mjs speech.wav
import fs from "node:fs";
import OpenAI, { toFile } from "openai";

const client = new OpenAI();
const answer = await client.audio.transcriptions.create({
  model: "gpt-transcribe",
  file: await toFile(fs.createReadStream(process.argv[2])), // without toFile, the package does not retry
  response_format: "verbose_json",
});
for (const segment of answer.segments) console.log(segment.start, segment.end, segment.text);
