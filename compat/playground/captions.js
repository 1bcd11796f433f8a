// What is taken away: a file's captions as the server wrote them, those of live turns, and plain text.

const LONGEST = 7; // seconds of a cue, and columns and lines: as in the server's own captions
const WIDEST = 42;
const LINES = 2;
const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60\uffe0-\uffe6]/u;
const SIGNS = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
const two = (number) => String(number).padStart(2, "0");

export function clock(seconds, point = ".") {
  const ms = Math.round(seconds * 1000);
  const [hours, minutes] = [Math.floor(ms / 3600000), Math.floor(ms / 60000) % 60];
  return `${two(hours)}:${two(minutes)}:${two(Math.floor(ms / 1000) % 60)}${point}${String(ms % 1000).padStart(3, "0")}`;
}

const said = ({ speaker, text }) => (speaker ? `${speaker}: ${text.trim()}` : text.trim());

/** Text of segments {text, speaker?}, one a line. */
export const plain = (segments) => `${segments.map(said).join("\n")}\n`;

/** WebVTT of live turns, as `srt`. */
export function vtt(turns) {
  const shown = ({ start, end, text }) => `${clock(start)} --> ${clock(end)}\n${text.replace(/[&<>]/g, (sign) => SIGNS[sign])}\n`;
  return `WEBVTT\n\n${cues(turns).map(shown).join("\n")}`;
}

/** A time to read: 00:03.2, or 01:00:03.2. */
export const brief = (seconds) => clock(seconds).replace(/^00:/, "").slice(0, -2);

/** SubRip of live turns {start, end, text} in seconds: cues that a viewer can read, one after the other. */
export function srt(turns) {
  return cues(turns)
    .map(({ start, end, text }, n) => `${n + 1}\n${clock(start, ",")} --> ${clock(end, ",")}\n${text.replace(/--+>/g, "->")}\n`)
    .join("\n");
}

function cues(turns) {
  const ordered = turns.filter(({ text }) => text.trim()).toSorted((one, other) => one.start - other.start);
  let free = 0; // until when the cues before are shown
  return ordered.flatMap((turn, n) => {
    const start = Math.max(turn.start, free);
    const end = Math.max(start + 0.001, Math.min(turn.end, ordered[n + 1]?.start ?? Infinity));
    const parts = screens(turn.text.trim().replace(/\s+/g, " "), Math.ceil((end - start) / LONGEST));
    const each = (end - start) / parts.reduce((sum, part) => sum + part.length, 0);
    let at = start;
    const shown = parts.map((text) => {
      const from = at;
      at = Math.max(from + 0.001, from + text.length * each);
      return { start: from, end: Math.min(at, from + LONGEST), text: text.trim() };
    });
    free = at;
    return shown;
  });
}

/** The text in at least so many parts of one or two lines. */
function screens(text, least) {
  const rows = lines(text, least);
  const count = Math.max(Math.min(least, rows.length), Math.ceil(rows.length / LINES));
  const edge = (n) => Math.round((n * rows.length) / count);
  return Array.from({ length: count }, (_, n) => rows.slice(edge(n), edge(n + 1)).map((row) => row.trim()).join("\n"));
}

/** Columns that a text takes: two for a full-width character. */
function width(text) {
  const clusters = [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text)];
  return clusters.reduce((sum, { segment }) => sum + (WIDE.test(segment) ? 2 : 1), 0);
}

/** The text in at least so many lines of about one width, cut between words. */
function lines(text, least) {
  const words = [];
  for (const { segment, isWordLike } of new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)) {
    if (isWordLike || !words.length) words.push(segment);
    else words[words.length - 1] += segment;
  }
  const total = width(text);
  const share = total / Math.max(1, least, Math.ceil(total / WIDEST));
  const parts = [""];
  let taken = 0; // columns of the last one
  for (const word of words) {
    const more = width(word);
    if (taken && (taken >= share || taken + width(word.trimEnd()) > WIDEST)) {
      parts.push("");
      taken = 0;
    }
    parts[parts.length - 1] += word;
    taken += more;
  }
  return parts;
}
