// Transcribe a file, with timestamps: node plain.mjs speech.wav
import fs from "node:fs";
import OpenAI from "openai";

const client = new OpenAI();
const answer = await client.audio.transcriptions.create({
  model: "gpt-transcribe",
  file: fs.createReadStream(process.argv[2]),
  response_format: "verbose_json",
});
for (const segment of answer.segments) console.log(segment.start, segment.end, segment.text);
