// Subtitles and plain text of segments {start, end, text, speaker?}, in seconds.

const two = (number) => String(number).padStart(2, "0");

export function clock(seconds, point = ".") {
  const ms = Math.round(seconds * 1000);
  const [hours, minutes] = [Math.floor(ms / 3600000), Math.floor(ms / 60000) % 60];
  return `${two(hours)}:${two(minutes)}:${two(Math.floor(ms / 1000) % 60)}${point}${String(ms % 1000).padStart(3, "0")}`;
}

const said = ({ speaker, text }) => (speaker ? `${speaker}: ${text.trim()}` : text.trim());

export const FORMATS = {
  srt: (segments) =>
    segments.map((part, n) => `${n + 1}\n${clock(part.start, ",")} --> ${clock(part.end, ",")}\n${said(part)}\n`).join("\n"),
  vtt: (segments) =>
    `WEBVTT\n\n${segments.map((part) => `${clock(part.start)} --> ${clock(part.end)}\n${said(part)}\n`).join("\n")}`,
  txt: (segments) => `${segments.map(said).join("\n")}\n`,
};

export function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
