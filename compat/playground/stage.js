// What the tabs for live sound share: the microphone, a file or the sample, start and stop, the level, and errors.

import { ApiError } from "./api.js";
import { announce, calm, complain, inView } from "./dom.js";
import { say } from "./i18n.js";
import { LOST } from "./line.js";
import { onAir } from "./record.js";
import { microphone, player } from "./sound.js";

function draw(canvas, level) {
  const brush = canvas.getContext("2d");
  const { width, height } = canvas;
  const style = getComputedStyle(document.documentElement);
  brush.clearRect(0, 0, width, height);
  const loud = level > 0 ? Math.max(0, 1 + Math.log10(level) / 3) : 0;
  for (let x = 0; x < width; x += 8) {
    brush.fillStyle = style.getPropertyValue(x / width < loud ? "--accent" : "--line");
    brush.beginPath();
    brush.roundRect(x, 3, 5, height - 6, 2);
    brush.fill();
  }
}

let under = null; // what stops the session under way, in whatever tab

/** Waits for what opens, and closes it if the start is given up meanwhile. */
function unlessAborted(signal, opening) {
  const aborted = new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));
  signal.addEventListener("abort", () => opening.then(({ close }) => close(), () => {}));
  return Promise.race([opening, aborted]);
}

/** Whether a session is under way. */
export const busy = () => under !== null;

/** Has the controls of a panel, which its elements name by data-do, run sessions one after the other. `open()` makes a
 *  session {start(ask, signal), take(pcm, level), stop, close, closed, stopping, failed, heard, line}, which starts with
 *  `asked()`; it has `failed` if it closes after an error that it has reported, and `heard` if there were words. `look` shows the rest of the panel while there is one,
 *  and `over(session)` is called after it. `volume()`: of a file that plays.
 *  Returns {focus}. */
export function stage(panel, { open, asked, look, over, volume = () => 1 }) {
  const part = (name) => panel.querySelector(`[data-do=${name}]`);
  const [begun, stopped, fault] = [part("start"), part("stop"), part("error")];
  const log = panel.querySelector("[role=log]"); // its newest words are at its end
  const meter = (level) => draw(part("level"), level);

  function show(talking) {
    for (const name of ["start", "play", "sample"]) part(name).hidden = talking;
    stopped.hidden = !talking;
    look(talking);
  }

  /** Runs a session. `listen(take, ended, streamed)` opens what is heard, and returns its stream and what closes it. `ended`
   *  gets an ApiError, if there is one. */
  async function begin(listen, { aloud }) {
    if (!stopped.hidden) return; // another one is under way
    under?.();
    calm(fault);
    show(true);
    const starting = new AbortController();
    const talk = open();
    let close = () => {};
    const hush = () => (close(), (close = () => {}), meter(0)); // once: the next session may be on air by then
    const stop = (error) => {
      if (under === stop) under = null;
      hush();
      if (error) complain(fault, error);
      starting.abort();
      if (talk.stopping) talk.close(); // pressed again
      else if (talk.line) {
        announce(say("finishing"), { stay: true });
        talk.stop();
      }
    };
    under = stop;
    stopped.onclick = () => stop();
    stopped.focus();
    try {
      await talk.start(asked(), starting.signal);
      const take = ({ pcm, level }) => talk.stopping || (meter(level), talk.take(pcm, level));
      const heard = await unlessAborted(starting.signal, listen(take, stop, "attach" in talk.line));
      const off = aloud ? () => {} : onAir(() => stop());
      close = () => (heard.close(), off());
      log.scrollIntoView({ block: "nearest" });
      talk.line.attach?.(heard.stream);
      const { code, reason } = await talk.closed;
      if (!talk.stopping && !talk.failed) throw new ApiError(0, { code: code === LOST ? "network" : "session_ended", message: `${code} ${reason}` });
    } catch (error) {
      if (starting.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      complain(fault, error);
    } finally {
      if (under === stop) under = null;
      hush();
      talk.close();
      over(talk);
      const dialog = document.querySelector("dialog[open]"); // for another key
      const focused = [stopped, document.body].includes(document.activeElement);
      inView(log, () => show(false));
      if (focused) begun.focus({ preventScroll: true });
      dialog?.addEventListener("close", () => begun.focus(), { once: true });
      announce(fault.hidden && talk.line ? say(talk.heard ? "done" : "silent") : ""); // an alert has been announced
    }
  }

  const play = (file) => begin((take, ended) => player(file, take, ended, volume), { aloud: true });

  meter(0);
  document.addEventListener("theme", () => meter(0));
  begun.onclick = () => begin(microphone, { aloud: false });
  part("play").onclick = () => part("file").click();
  part("file").onchange = () => {
    const [file] = part("file").files;
    part("file").value = ""; // the same file may be chosen again
    if (file) play(file);
  };
  const sample = { arrayBuffer: () => fetch(new URL("sample.mp3", import.meta.url)).then((answer) => answer.arrayBuffer()) };
  part("sample").onclick = () => play(sample);
  return { focus: () => begun.focus() };
}
