"""Live translation in a real browser: every word once and in order, in both columns and in the voice that is played."""

from __future__ import annotations

import contextlib
import json
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, WebSocket, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.emulator.faults import Refuse, Rule
from tests.emulator.livetranslate.talk import said
from tests.emulator.recordings import wav
from tests.playground.test_live import HURRIED
from tests.playground.test_snippets import RUNNERS
from tests.running import RunningServer, running_server
from tests.servers import serve
from tests.whole.cutting import cut_house
from tests.whole.live_speech import make_recording
from tests.whole.translated import expected

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
WORDS = VOCABULARY[:6]
TEXT = " ".join(WORDS)
LISTENING = """
globalThis.played = [];  // every piece of sound that the page plays: when, by its context's clock, and its samples
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when = 0) {
  const pcm = [...this.buffer.getChannelData(0)].map((sample) => Math.round(sample * 32768));
  if (pcm.length < 48_000) played.push({ when, pcm }); // not the file itself
  return start.call(this, when);
};
globalThis.gains = [];
globalThis.GainNode = class extends GainNode {
  constructor(...given) {
    super(...given);
    gains.push(this);
  }
};
globalThis.lags = [];  // what the page has said of the voice
addEventListener("load", () => {
  const lag = document.getElementById("lag");
  if (lag) new MutationObserver(() => lags.push(lag.textContent)).observe(lag, { childList: true });
});
"""


@pytest.fixture(scope="module")
def tones() -> Iterator[RunningServer]:
    with running_server(Tones(), cors_origins=("*",)) as opened:
        yield opened


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    wav(path := tmp_path / "spoken.wav", encode(lay(WORDS), rate=24_000) + bytes(24_000), rate=24_000)
    return path


@pytest.fixture
def translating(tab: Page, tones: RunningServer) -> Page:
    tab.add_init_script(LISTENING)
    tab.goto(tones.base_url.removesuffix("/v1"))
    tab.get_by_role("tab", name="Translate").click()
    return tab


def heard(page: Page) -> list[str]:
    """Return the words of the voice that was played. Its pieces follow each other without gaps or overlaps."""
    pieces: list[dict[str, Any]] = page.evaluate("played")
    ends = [piece["when"] + len(piece["pcm"]) / 24_000 for piece in pieces]
    for end, piece in zip(ends, pieces[1:], strict=False):
        assert piece["when"] > end - 1e-6
    return said(np.concatenate([piece["pcm"] for piece in pieces]).astype("<i2").tobytes())


def downloaded(page: Page, name: str) -> str:
    with page.expect_download() as download:
        page.locator("#translate-downloads").get_by_role("button", name=name).click()
    return Path(download.value.path()).read_text()


def test_a_file_is_translated_as_text_and_voice(translating: Page, spoken: Path) -> None:
    page = translating
    page.get_by_label("Translate into").select_option("ar")
    page.locator("#translate-file").set_input_files(spoken)
    expect(page.locator("#translate-stop")).to_be_focused()
    expect(page.locator("#pairs .target")).to_contain_text(WORDS[0])
    page.locator("#pairs .target").evaluate("node => getSelection().selectAllChildren(node)")
    selected = page.evaluate("String(getSelection())")
    expect(page.locator("#translate-start")).to_be_focused()

    assert TEXT.startswith(selected.removeprefix("[ar] "))
    assert selected == page.evaluate("String(getSelection())")
    assert list(WORDS) == heard(page)
    expect(page.locator("#pairs .source")).to_have_text(TEXT)
    expect(page.locator("#pairs .target")).to_have_text(f"[ar] {TEXT}")
    expect(page.locator("#pairs .target")).to_have_attribute("dir", "rtl")
    expect(page.get_by_role("heading", name="Translation · Arabic")).to_be_visible()
    expect(page.locator("#translate-tags")).to_contain_text("voice: Tina")
    expect(page.locator("#lag")).to_have_text(
        re.compile(
            r"first translation after \d+ ms · first voice after \d+ ms · voice: [1-9][\d.]* s played, 0.0 s to come"
        )
    )
    assert [] == [played for played in page.evaluate("lags") if "-" in played]
    assert f"{TEXT}\n[ar] {TEXT}\n" == downloaded(page, "txt")
    assert {
        "model": "qwen3.5-livetranslate-flash-realtime",
        "language": "ar",
        "source": TEXT,
        "translation": f"[ar] {TEXT}",
        "pairs": [{"source": TEXT, "translation": f"[ar] {TEXT}"}],
    } == json.loads(downloaded(page, "json"))
    page.get_by_role("button", name="Clear").press("Enter")
    expect(page.locator("#pairs")).to_be_empty()
    expect(page.locator("#translate-start")).to_be_focused()
    page.reload()
    expect(page.locator("#target")).to_have_value("ar")


def test_a_language_without_a_voice_is_written_and_the_voice_can_be_muted(translating: Page, spoken: Path) -> None:
    page = translating
    page.get_by_role("button", name="Mute the voice").press("Enter")
    expect(page.get_by_role("button", name="Mute the voice", pressed=True)).to_be_focused()
    expect(page.get_by_label("Volume of the voice")).to_be_disabled()
    page.set_viewport_size({"width": 320, "height": 640})
    page.locator("optgroup[label='Text only'] option", has_text="Cantonese").wait_for(state="attached")
    page.get_by_label("Translate into").select_option("yue")
    page.locator("#translate-file").set_input_files(spoken)

    expect(page.locator("#pairs .target")).to_have_text(f"[yue] {TEXT}")
    expect(page.locator("#translate-tags")).to_contain_text("text only")
    expect(page.locator("#translate-start")).to_be_visible()
    expect(page.locator("#pairs")).to_be_in_viewport(ratio=0.99)  # with the newest words at its end
    assert [] == page.evaluate("played")
    page.locator("#translate-model").fill("no-such-model")
    page.locator("#translate-start").press("Enter")
    expect(page.locator("#translate-error")).to_be_visible()
    expect(page.locator("#translate-tags")).to_be_empty()


def test_a_model_that_does_not_translate_is_refused_by_name(translating: Page) -> None:
    translating.locator("#translate-model").fill("no-such-model")
    translating.locator("#translate-start").press("Enter")

    expect(translating.locator("#translate-error")).to_contain_text("model_not_found")
    expect(translating.locator("#translate-start")).to_be_focused()
    expect(translating.get_by_role("status")).to_have_text("", timeout=2000)  # not "Done"


def test_a_file_is_quiet_while_there_is_a_voice_to_hear(translating: Page) -> None:
    translating.locator("#panel-translate [data-do=sample]").press("Enter")
    translating.wait_for_function("() => gains.length > 1 && gains.at(-1).gain.value < 1")
    translating.get_by_role("button", name="Mute the voice").press("Enter")
    translating.wait_for_function("() => gains.at(-1).gain.value === 1")


def test_a_network_that_takes_no_sound_and_a_file_without_speech_are_named(translating: Page, tmp_path: Path) -> None:
    wav(silence := tmp_path / "silence.wav", bytes(36_000), rate=24_000)
    translating.evaluate("Object.defineProperty(WebSocket.prototype, 'bufferedAmount', { get: () => 640_000 })")
    translating.evaluate("() => { globalThis.setTimeout = () => 0; }")  # what is announced stays
    translating.locator("#translate-file").set_input_files(silence)

    expect(translating.get_by_role("status")).to_have_text("No speech was heard.")
    assert "the network has not taken the last 10 s" in translating.evaluate("lags")
    expect(translating.locator("#lag")).to_be_empty()


def test_the_sample_without_a_network_gets_an_error(translating: Page) -> None:
    translating.context.set_offline(True)
    translating.locator("#panel-translate [data-do=sample]").press("Enter")

    expect(translating.locator("#translate-error")).to_contain_text("The server did not answer")


def test_the_reason_that_ends_a_session_is_shown(translating: Page, tones: RunningServer, spoken: Path) -> None:
    tones.fail(Rule("livetranslate", Refuse(403, "AccessDenied"), times=None))
    translating.locator("#translate-file").set_input_files(spoken)

    expect(translating.locator("#translate-error")).to_contain_text("permission_denied")
    expect(translating.locator("#translate-start")).to_be_visible()
    expect(translating.locator("#translate-error")).to_contain_text("permission_denied")


def test_a_full_server_is_not_taken_for_a_broken_network(tab: Page) -> None:
    with running_server(Tones(), max_sessions=1, pass_key=True) as full:  # which issues no client secrets
        for page in (first := tab, second := tab.context.new_page()):
            page.add_init_script("sessionStorage.setItem('key', 'sk-own')")
            page.goto(full.base_url.removesuffix("/v1"))
            page.get_by_role("tab", name="Translate").click()
        first.locator("#translate-start").click()
        expect(first).to_have_title(re.compile("^●"))
        second.locator("#translate-start").click()

        expect(second.locator("#translate-error")).to_contain_text("the server may be full")
        first.close()


NO_SOUND = """() => {  // as Firefox without a device to play on
  AudioContext.prototype.resume = () => new Promise(() => {});
}"""


def test_a_browser_that_starts_no_sound_is_named(translating: Page, spoken: Path) -> None:
    translating.evaluate(NO_SOUND)
    translating.evaluate(HURRIED)
    translating.locator("#translate-file").set_input_files(spoken)
    expect(translating.locator("#translate-error")).to_contain_text("connect speakers or headphones")
    expect(translating.locator("#translate-start")).to_be_focused()

    translating.locator("#translate-error").evaluate("alert => alert.replaceChildren()")
    translating.locator("#translate-start").press("Enter")
    expect(translating.locator("#translate-error")).to_contain_text("connect speakers or headphones")
    expect(translating).not_to_have_title(re.compile("^●"))


@pytest.mark.parametrize("language", ["curl", "Python", "Node"])
def test_a_program_gets_the_translation(translating: Page, spoken: Path, language: str) -> None:
    spoken.rename(spoken.with_name("speech-24k.wav"))
    translating.get_by_label("Translate into").select_option("fr")
    translating.get_by_role("button", name=language, exact=True).click()
    command = RUNNERS[language](spoken.parent, translating.locator("#code").inner_text())

    done = subprocess.run(command, cwd=spoken.parent, capture_output=True, text=True, timeout=60, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    if language == "curl":
        assert '"value":"ek_' in done.stdout
    else:
        assert f"[fr] {TEXT}" == done.stdout
        (voice,) = spoken.parent.glob("voice.*")
        assert list(WORDS) == said(voice.read_bytes()[44 if language == "Python" else 0 :])


MICROPHONE = """
let spoken;
navigator.mediaDevices.getUserMedia = async () => {
  const pcm = new Int16Array(await (await fetch("/spoken")).arrayBuffer());
  spoken = new AudioBuffer({ length: pcm.length, sampleRate: 24000 });
  spoken.copyToChannel(Float32Array.from(pcm, (sample) => sample / 32768), 0);
  return new AudioContext().createMediaStreamDestination().stream;
};
AudioContext.prototype.createMediaStreamSource = function () {
  const source = new AudioBufferSourceNode(this, { buffer: spoken });
  source.onended = () => (globalThis.ended = true);
  source.start();
  return source;
};
"""


@contextlib.contextmanager
def elsewhere(context: BrowserContext, pcm: bytes) -> Iterator[Page]:
    """Open a page of another origin, whose microphone hears `pcm`: a real one would lose some on a busy machine."""
    text = (EXAMPLES / "browser_translate.html").read_text()
    routes = [
        Route("/example", lambda _: HTMLResponse(text)),
        Route("/spoken", lambda _: Response(pcm)),
        Route("/", lambda _: HTMLResponse("<p></p>")),
    ]
    with serve(Starlette(routes=routes)) as root:
        page = context.new_page()
        page.add_init_script(LISTENING + MICROPHONE)
        page.goto(root)
        yield page


def test_the_example_page_translates_a_minute_over_a_connection_that_is_cut(tab: Page) -> None:
    recording = make_recording(60)
    pcm = encode(recording.words, rate=24_000, length_ms=recording.length_ms)
    chance = random.Random(7)  # noqa: S311 - reproducible
    cuts = sorted(chance.randrange(len(pcm)) for _ in range(16))
    position = 0
    with cut_house(Tones(), cors_origins=("*",)) as (base_url, wire), elsewhere(tab.context, pcm) as page:

        def sent(frame: bytes | str) -> None:
            nonlocal position
            position += len(json.loads(frame).get("audio", "")) * 3 // 4
            while cuts and position > cuts[0]:
                wire.cut()
                del cuts[0]

        def received(frame: bytes | str) -> None:
            if "[es]" in str(frame):
                wire.heard()

        def follow(socket: WebSocket) -> None:
            socket.on("framesent", sent)
            socket.on("framereceived", received)

        page.goto(f"{page.url}example?server={base_url.removesuffix('/v1')}")
        page.on("websocket", follow)
        with page.expect_websocket() as opened:
            page.get_by_role("button", name="Speak").click()
        page.wait_for_function("globalThis.ended", timeout=180_000)
        with opened.value.expect_event("close"):
            page.get_by_role("button", name="Stop").click()

        source, target = " ".join(turn.text for turn in recording.turns), expected(recording, "[es]")
        expect(page.locator("p").first).to_have_text(source)
        expect(page.locator("p").last).to_have_text(target)
        expect(page.get_by_role("button", name="Stop")).to_be_hidden()
        assert [word.text for word in recording.words] == heard(page)
        page.get_by_role("button", name="Copy").click()
        assert f"{source}\n{target}\n" == page.evaluate("navigator.clipboard.readText()")
        page.get_by_role("button", name="Speak").click()
        page.get_by_role("button", name="Stop").wait_for()
        expect(page.locator("p").last).to_have_text(target)
    assert wire.broken > 5


def test_the_code_for_a_page_translates_the_microphone(translating: Page) -> None:
    translating.get_by_role("button", name="Browser", exact=True).click()
    with elsewhere(translating.context, encode(lay(WORDS), rate=24_000) + bytes(48_000)) as page:
        page.mouse.click(9, 9)  # pages play sound only after a click
        page.add_script_tag(content=translating.locator("#code").inner_text(), type="module")

        expect(page.locator("body")).to_have_text(f"[es] {TEXT}")
        page.wait_for_function("played.length >= 6")
        assert list(WORDS) == heard(page)
