"""Live captions in a real browser, with a real engine."""

from __future__ import annotations

import json
import re
import signal
import wave
from pathlib import Path

import pytest
import srt
from playwright.sync_api import Dialog, Page, expect

from compat.emulator.engines.tones import Tones
from tests.cli.test_main import started
from tests.emulator.recordings import wav
from tests.running import running_server

# "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better." A browser cleans its microphone's sound, and
# loses some on a busy machine, so that the small engine confuses words: one word of each third is enough.
HEARD = re.compile(r"(ever|tried|failed).*(no|matter|try).*(again|fail|better)", re.IGNORECASE | re.DOTALL)
HURRIED = """() => {  // waiting takes a hundredth of the time
  const later = setTimeout;
  globalThis.setTimeout = (call, wait, ...given) => later(call, wait / 100, ...given);
}"""


def start(page: Page) -> None:
    """Start the microphone, and wait until it is on."""
    page.locator("#start").click()
    expect(page).to_have_title(re.compile("^●"))


def downloaded(page: Page, name: str) -> str:
    with page.expect_download() as download:
        page.locator("#live-downloads").get_by_role("button", name=name).click()
    return Path(download.value.path()).read_text()


def test_the_microphone_is_captioned_and_the_captions_can_be_downloaded(page: Page) -> None:
    page.get_by_role("tab", name="Live").click()
    page.locator("#start").click()
    expect(page.locator("#captions")).to_contain_text(HEARD)
    expect(page.locator("#delay")).to_contain_text("ms")
    expect(page.locator("#live-model")).to_be_disabled()  # a change would have no effect
    expect(page).to_have_title(re.compile("^●"))
    page.get_by_role("tab", name="File").click()
    page.get_by_role("button", name="Mic on · stop").click()
    expect(page.locator("#on-air")).to_be_hidden()
    expect(page).to_have_title("qwen-asr-compat")

    page.get_by_role("tab", name="Live").click()
    expect(page.locator("#captions .stash:not(:empty)")).to_have_count(0)
    expect(page.locator("#start")).to_be_visible()
    expect(page.locator("#live-model")).to_be_enabled()
    assert HEARD.search(" ".join(cue.content for cue in srt.parse(downloaded(page, "srt"))))
    assert HEARD.search(downloaded(page, "vtt"))
    assert HEARD.search(downloaded(page, "txt"))
    assert HEARD.search(json.loads(downloaded(page, "json"))["text"])


def test_a_file_is_captioned_as_if_live_and_captions_stay_at_the_next_start(
    page: Page, speech: Path, tmp_path: Path
) -> None:
    with wave.open(str(speech)) as source:  # two words, to save time
        wav(tmp_path / "short.wav", source.readframes(int(1.5 * source.getframerate())), rate=source.getframerate())
    page.evaluate(
        "Object.defineProperty(BaseAudioContext.prototype, 'audioWorklet', {})"
    )  # as on http of another machine
    page.get_by_role("tab", name="Live").click()
    for times in (1, 2):
        page.locator("#live-file").set_input_files(tmp_path / "short.wav")
        expect(page.locator("#stop")).to_be_visible()
        expect(page.locator("#start")).to_be_visible()
        expect(page.locator("#captions")).to_contain_text(re.compile("tried.*" * times, re.DOTALL))

    segments = json.loads(downloaded(page, "json"))["segments"]
    assert sorted(segments, key=lambda turn: float(turn["start"])) == segments
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#captions")).to_be_empty()


@pytest.mark.parametrize(
    ("name", "advice"),
    [("NotFoundError", "Connect a microphone"), ("NotAllowedError", "Allow this page to use the microphone")],
)
def test_the_advice_without_a_microphone_fits_the_reason(page: Page, name: str, advice: str) -> None:
    error = f"new DOMException('the reason', '{name}')"
    page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = () => Promise.reject({error}) }}")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#file-error")).to_contain_text(advice)
    page.get_by_role("tab", name="Live").click()
    page.locator("#start").click()

    expect(page.locator("#live-error")).to_contain_text("the reason")
    expect(page.locator("#live-error")).to_contain_text(advice)
    page.get_by_role("tab", name="Translate").click()
    page.locator("#translate-start").click()
    expect(page.locator("#translate-error")).to_contain_text(advice)


def test_a_session_that_the_server_ends_is_not_a_network_error(tab: Page) -> None:
    page, command = tab, started("serve", "--port", "0", "--engine", "tones", COMPAT_GRACE="1")
    with command as (server, said):
        page.goto(said[0].split()[-1].removesuffix("/v1"))
        page.get_by_role("tab", name="Translate").click()
        expect(page.get_by_role("note").last).to_contain_text("This server does not translate")
        page.get_by_role("tab", name="Live").click()
        start(page)
        server.send_signal(signal.SIGSTOP)
        page.locator("#stop").click()  # waits for the last words
        page.locator("#stop").click()
        expect(page.locator("#start")).to_be_visible()
        page.locator("#start").click()
        page.locator("#stop").click()
        expect(page.locator("#start")).to_be_visible()
        expect(page.locator("#live-error")).to_be_hidden()
        server.send_signal(signal.SIGCONT)

        start(page)
        server.terminate()
        expect(page.locator("#live-error")).to_contain_text("1001 The server is shutting down.")
        expect(page.locator("#live-error")).to_contain_text("The server ended the session")


def test_a_refused_key_is_answered_with_its_reason(tab: Page, tmp_path: Path) -> None:
    page = tab
    (keys := tmp_path / "keys").write_text("alice sk-alice-0001 rest,realtime\nbob sk-bob-000001 rest\n")
    with running_server(Tones(), api_keys_file=keys, grace=0.5) as server:
        page.goto(server.base_url.removesuffix("/v1"))
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("This server asks for a key.")
        page.locator("#key").fill("sk-of-nobody")
        page.locator("#key").press("Enter")
        expect(dialog).to_contain_text("This server refused this key.")
        page.locator("#key").fill("sk-bob-000001")
        page.locator("#key").press("Enter")
        page.get_by_role("tab", name="Live").click()
        page.locator("#start").click()
        expect(page.locator("#live-error")).to_contain_text("This key lacks the scope realtime")
        expect(page.locator("#live-error")).to_contain_text("Request id")

        page.locator("#key-open").click()
        page.locator("#key").fill("sk-alice-0001")
        page.locator("#key").press("Enter")
        expect(page.locator("#live-error")).to_be_hidden()
        start(page)
        keys.write_text("bob sk-bob-000001 rest\n")
        expect(page.locator("#live-error")).to_contain_text("The key that opened this session was removed.")
        expect(page.locator("#live-error")).to_contain_text("Enter a valid key")
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_be_hidden()


def test_an_unplugged_microphone_ends_the_session_with_a_reason(page: Page) -> None:
    page.evaluate(
        """() => {
          const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
          navigator.mediaDevices.getUserMedia = async (asked) => {
            const stream = await open(asked);
            globalThis.input ??= stream;
            return stream;
          };
        }"""
    )
    page.get_by_role("tab", name="Live").click()
    start(page)
    page.get_by_role("tab", name="File").click()
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#record")).to_contain_text("Stop recording")
    page.get_by_role("tab", name="Live").click()
    page.evaluate("input.getAudioTracks()[0].dispatchEvent(new Event('ended'))")

    expect(page.locator("#live-error")).to_contain_text("Connect a microphone")
    expect(page.locator("#start")).to_be_visible()
    expect(page).to_have_title(re.compile("^●"))  # the recorder is on
    page.get_by_role("button", name="Mic on · stop").click()
    expect(page).to_have_title("qwen-asr-compat")


def test_a_page_asks_before_it_is_left_with_captions(page: Page) -> None:
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.get_by_role("tab", name="Live").click()
    page.locator("#live-sample").click()
    expect(page.locator("#captions")).to_contain_text("It was")
    page.locator("#stop").click()
    expect(page.locator("#start")).to_be_visible()
    downloaded(page, "txt")
    page.reload()
    assert asked == []

    page.get_by_role("tab", name="Live").click()
    page.locator("#live-sample").click()
    expect(page.locator("#stop")).to_be_visible()
    page.reload()
    assert asked == ["beforeunload"]
