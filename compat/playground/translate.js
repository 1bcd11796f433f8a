// Live translation: what is said and its translation side by side, and its voice. The texts stay over several sessions.

import { forBrowser } from "./api.js";
import { at, complain, copy, save, tags } from "./dom.js";
import { say, tag } from "./i18n.js";
import { Interpretation } from "./interpret.js";
import { VOICED } from "./languages.js";
import { SLOW } from "./line.js";
import * as pairs from "./pairs.js";
import { stage } from "./stage.js";
import { Voice } from "./voice.js";

const BEHIND = 0.15; // volume of a file below its translation
const voice = new Voice();
let talk = null;
let answered = null; // what answers, as the session says it: {model, engine, language, voice, ignored}
let delays = {};
let unsent = 0; // seconds of sound
let saved = true; // whether what is shown has been copied or downloaded

/** Whether a translation would be lost with this page. */
export const unsaved = () => !pairs.empty() && !saved;

export const asked = () => ({
  mode: "interpret", model: at("translate-model").value.trim() || "gpt-realtime-translate", target: at("target").value,
});

function report({ source, target, voice: sound, session, error, delay, unsent: waiting }) {
  if (waiting !== undefined) {
    unsent = waiting;
    return lag();
  }
  if (source || target) saved = false;
  if (source) pairs.add("source", source, lang());
  if (target) pairs.add("target", target, lang());
  if (target && delay) delays.target = delay;
  if (sound) {
    const wait = voice.add(sound);
    if (delay) delays.voice = delay + Math.round(wait * 1000);
  }
  if (session) answered = session.dashscope;
  if (error) complain(at("translate-error"), error);
  show();
}

/** The language of the translation, which an engine only marks. */
const lang = () => (answered?.engine ? "" : (answered?.language ?? ""));

/** Shows who answers, and how late. */
function show() {
  at("translate-downloads").hidden = pairs.empty();
  if (answered) {
    const names = new Intl.DisplayNames([tag()], { type: "language" });
    const [spoken, ignored] = [answered.output_modalities.includes("audio"), answered.ignored ?? []];
    at("translation-of").textContent = `${say("translation")} · ${names.of(answered.language)}`;
    tags(at("translate-tags"), [
      answered.engine ? say("markedBy", { engine: answered.engine }) : say("answeredBy", { model: answered.model }),
      say(spoken ? (answered.engine ? "placeholder" : "withVoice") : "textOnly", { voice: answered.voice ?? "" }),
      ignored.length && say("ignored", { names: ignored.join(", ") }),
    ]);
  } else {
    at("translation-of").textContent = say("translation");
    tags(at("translate-tags"), []);
  }
  lag();
}

function lag() {
  const [came, waiting] = [voice.seconds, voice.waiting];
  const text = [
    delays.target && say("translatedAfter", { ms: delays.target }),
    delays.voice && say("voicedAfter", { ms: delays.voice }),
    came && say("voicePlayed", { s: (came - waiting).toFixed(1), rest: waiting.toFixed(1) }),
    unsent >= SLOW && say("unsent", { s: unsent }),
  ].filter(Boolean).join(" · ");
  if (text !== at("lag").textContent) at("lag").textContent = text;
}

function look(talking) {
  at("translate-clear").disabled = talking;
  at("translate-model").disabled = talking; // that of a session cannot change
  show();
}

function open() {
  voice.begin();
  pairs.end();
  [delays, answered, unsent] = [{}, null, 0];
  return (talk = new Interpretation(report));
}

function over() {
  [talk, unsent] = [null, 0];
}

const content = { txt: () => pairs.plain(), json: () => pairs.json({ model: answered?.model, engine: answered?.engine, language: answered?.language }) };

const muted = () => at("mute").ariaPressed === "true";

const voiced = () => (answered ? answered.output_modalities.includes("audio") : VOICED.includes(asked().target));

/** How loud a file is that plays: there may be a voice to hear. */
const volume = () => (muted() || !voiced() ? 1 : BEHIND);

function loudness() {
  voice.volume = muted() ? 0 : at("volume").valueAsNumber / 100;
  at("volume").disabled = muted();
}

export function start() {
  const { focus } = stage(at("panel-translate"), { open, asked, look, over, volume });
  at("target").onchange = () => {
    forBrowser.setItem("target", asked().target);
    talk?.update(asked());
  };
  at("mute").onclick = () => {
    at("mute").ariaPressed = String(!muted());
    loudness();
  };
  at("volume").oninput = loudness;
  at("translate-downloads").onclick = ({ target }) => {
    const { format } = target.dataset;
    if (format) save(`translation.${format}`, content[format]());
    saved ||= Boolean(format);
  };
  at("translate-copy").onclick = async () => (saved = await copy(pairs.plain()));
  at("translate-clear").onclick = () => {
    pairs.clear();
    voice.end();
    [delays, answered] = [{}, null];
    look(false);
    focus();
  };
  setInterval(lag, 250);
  document.addEventListener("language", show);
  loudness();
  show();
}
