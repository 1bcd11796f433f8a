"""Live translation in a real browser: every word once and in order, in both columns and in the voice that is played."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.emulator.faults import Refuse, Rule
from tests.emulator.livetranslate.talk import said
from tests.emulator.recordings import wav
from tests.playground.test_snippets import RUNNERS
from tests.running import RunningServer, running_server
from tests.servers import serve

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
def translating(chromium: Browser, tones: RunningServer) -> Iterator[Page]:
    with chromium.new_context(locale="en-GB", permissions=["microphone"], accept_downloads=True) as context:
        page = context.new_page()
        page.add_init_script(LISTENING)
        page.goto(tones.base_url.removesuffix("/v1"))
        page.get_by_role("tab", name="Translate").click()
        yield page


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
    page.get_by_label("Translate into").select_option("fr")
    page.locator("#translate-file").set_input_files(spoken)
    expect(page.locator("#translate-stop")).to_be_focused()
    expect(page.locator("#translate-start")).to_be_focused()

    assert list(WORDS) == heard(page)
    expect(page.locator("#pairs .source")).to_have_text(TEXT)
    expect(page.locator("#pairs .target")).to_have_text(f"[fr] {TEXT}")
    expect(page.get_by_role("heading", name="Translation · French")).to_be_visible()
    expect(page.locator("#translate-tags")).to_contain_text("voice: Tina")
    expect(page.locator("#lag")).to_have_text(
        re.compile(
            r"first translation after \d+ ms · first voice after \d+ ms · voice: [1-9][\d.]* s played, 0.0 s to come"
        )
    )
    assert [] == [played for played in page.evaluate("lags") if "-" in played]
    assert f"{TEXT}\n[fr] {TEXT}\n" == downloaded(page, "txt")
    assert {
        "model": "qwen3.5-livetranslate-flash-realtime",
        "language": "fr",
        "source": TEXT,
        "translation": f"[fr] {TEXT}",
        "pairs": [{"source": TEXT, "translation": f"[fr] {TEXT}"}],
    } == json.loads(downloaded(page, "json"))
    page.get_by_role("button", name="Clear").press("Enter")
    expect(page.locator("#pairs")).to_be_empty()
    expect(page.locator("#translate-start")).to_be_focused()


def test_a_language_without_a_voice_is_written_and_the_voice_can_be_muted(translating: Page, spoken: Path) -> None:
    page = translating
    page.get_by_role("button", name="Mute the voice").press("Enter")
    expect(page.get_by_role("button", name="Mute the voice", pressed=True)).to_be_focused()
    expect(page.get_by_label("Volume of the voice")).to_be_disabled()
    page.locator("optgroup[label='Text only'] option", has_text="Cantonese").wait_for(state="attached")
    page.get_by_label("Translate into").select_option("yue")
    page.locator("#translate-file").set_input_files(spoken)

    expect(page.locator("#pairs .target")).to_have_text(f"[yue] {TEXT}")
    expect(page.locator("#translate-tags")).to_contain_text("text only")
    assert [] == page.evaluate("played")


def test_a_model_that_does_not_translate_is_refused_by_name(translating: Page) -> None:
    translating.locator("#translate-model").fill("no-such-model")
    translating.locator("#translate-start").press("Enter")

    expect(translating.locator("#translate-error")).to_contain_text("model_not_found")
    expect(translating.locator("#translate-start")).to_be_focused()
    expect(translating.get_by_role("status")).to_have_text("", timeout=2000)  # not "Done"


def test_the_reason_that_ends_a_session_is_shown(translating: Page, tones: RunningServer, spoken: Path) -> None:
    tones.fail(Rule("livetranslate", Refuse(403, "AccessDenied"), times=None))
    translating.locator("#translate-file").set_input_files(spoken)

    expect(translating.locator("#translate-error")).to_contain_text("permission_denied")
    expect(translating.locator("#translate-start")).to_be_visible()
    expect(translating.locator("#translate-error")).to_contain_text("permission_denied")


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
navigator.mediaDevices.getUserMedia = async () => new AudioContext().createMediaStreamDestination().stream;
AudioContext.prototype.createMediaStreamSource = function () {
  const pcm = new Int16Array(Uint8Array.from(atob("SPOKEN"), (letter) => letter.charCodeAt(0)).buffer);
  const buffer = new AudioBuffer({ length: pcm.length, sampleRate: 24000 });
  buffer.copyToChannel(Float32Array.from(pcm, (sample) => sample / 32768), 0);
  const source = new AudioBufferSourceNode(this, { buffer });
  source.start();
  return source;
};
"""


@pytest.fixture
def elsewhere(chromium: Browser) -> Iterator[Page]:
    """Return a page of another origin, whose microphone hears the words: a real one would lose some on a busy
    machine."""
    coded = base64.b64encode(encode(lay(WORDS), rate=24_000) + bytes(48_000)).decode()
    text = (EXAMPLES / "browser_translate.html").read_text()
    routes = [Route("/example", lambda _: HTMLResponse(text)), Route("/", lambda _: HTMLResponse("<p></p>"))]
    with serve(Starlette(routes=routes)) as root, chromium.new_context() as context:
        page = context.new_page()
        page.add_init_script(LISTENING + MICROPHONE.replace("SPOKEN", coded))
        page.goto(root)
        yield page


def test_the_example_page_translates_the_microphone(elsewhere: Page, tones: RunningServer) -> None:
    page = elsewhere
    page.goto(f"{page.url}example?server={tones.base_url.removesuffix('/v1')}")
    with page.expect_websocket() as opened:
        page.get_by_role("button").click()
    expect(page.locator("p").last).to_contain_text(WORDS[-3])
    with opened.value.expect_event("close"):
        page.get_by_role("button").click()  # "Stop" alone

    expect(page.locator("p").first).to_have_text(TEXT)
    expect(page.locator("p").last).to_have_text(f"[es] {TEXT}")
    assert list(WORDS) == heard(page)
    expect(page.get_by_role("button")).to_have_count(0)


def test_the_code_for_a_page_translates_the_microphone(translating: Page, elsewhere: Page) -> None:
    translating.get_by_role("button", name="Browser", exact=True).click()
    elsewhere.mouse.click(9, 9)  # pages play sound only after a click
    elsewhere.add_script_tag(content=translating.locator("#code").inner_text(), type="module")

    expect(elsewhere.locator("body")).to_have_text(f"[es] {TEXT}")
    elsewhere.wait_for_function("played.length >= 6")
    assert list(WORDS) == heard(elsewhere)
