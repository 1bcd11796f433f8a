"""Live captions in a real browser, with a real engine."""

from __future__ import annotations

import json
import re
import wave
from pathlib import Path

import pytest
import srt
from playwright.sync_api import Browser, Page, expect

from tests.cli.test_main import started
from tests.emulator.recordings import wav

# "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better." A browser cleans its microphone's sound, and
# loses some on a busy machine, so that the small engine confuses words: one word of each third is enough.
HEARD = re.compile(r"(ever|tried|failed).*(no|matter|try).*(again|fail|better)", re.IGNORECASE | re.DOTALL)


def downloaded(page: Page, name: str) -> str:
    with page.expect_download() as download:
        page.locator("#live-downloads").get_by_role("button", name=name).click()
    return Path(download.value.path()).read_text()


def test_the_microphone_is_captioned_and_the_captions_can_be_downloaded(page: Page) -> None:
    page.get_by_role("tab", name="Live").click()
    page.locator("#start").click()
    expect(page.locator("#captions")).to_contain_text(HEARD)
    expect(page.locator("#delay")).to_contain_text("ms")
    expect(page).to_have_title(re.compile("^●"))
    page.get_by_role("tab", name="File").click()
    page.get_by_role("button", name="Mic on · stop").click()
    expect(page.locator("#on-air")).to_be_hidden()
    expect(page).to_have_title("qwen-asr-compat")

    page.get_by_role("tab", name="Live").click()
    expect(page.locator("#captions .stash:not(:empty)")).to_have_count(0)
    expect(page.locator("#start")).to_be_visible()
    assert HEARD.search(" ".join(cue.content for cue in srt.parse(downloaded(page, "srt"))))
    assert HEARD.search(downloaded(page, "vtt"))
    assert HEARD.search(downloaded(page, "txt"))
    assert HEARD.search(json.loads(downloaded(page, "json"))["text"])


def test_a_file_is_captioned_as_if_live_and_captions_stay_at_the_next_start(
    page: Page, speech: Path, tmp_path: Path
) -> None:
    with wave.open(str(speech)) as source:  # two words, to save time
        wav(tmp_path / "short.wav", source.readframes(int(1.5 * source.getframerate())), rate=source.getframerate())
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


def test_a_session_that_the_server_ends_is_not_a_network_error(chromium: Browser) -> None:
    command = started("serve", "--port", "0", "--engine", "tones", COMPAT_GRACE="1")
    with command as (server, said), chromium.new_context(locale="en-GB") as context:
        page = context.new_page()
        page.goto(said[0].split()[-1].removesuffix("/v1"))
        page.get_by_role("tab", name="Translate").click()
        expect(page.get_by_role("note").last).to_contain_text("No translator answers here.")
        page.get_by_role("tab", name="Live").click()
        page.locator("#start").click()
        expect(page.locator("#stop")).to_be_enabled()
        server.terminate()

        expect(page.locator("#live-error")).to_contain_text("1001 The server is shutting down.")
        expect(page.locator("#live-error")).to_contain_text("The server ended the session")
