"""Takes the pictures of the playground in docs/pictures: scripts/pictures

The local engine transcribes the page's own sample. Pictures are taken only of a right transcript.
"""

from __future__ import annotations

import re
import tempfile
import wave
from pathlib import Path

import av
from playwright.sync_api import Browser, Page, expect, sync_playwright

from compat.emulator.engines import engine
from compat.endpoints.playground import FOLDER
from tests.playground.conftest import FLAGS
from tests.running import running_server
from tests.witnesses import program

TO = Path(__file__).parent.parent.parent / "docs" / "pictures"
LARGEST = 150_000  # bytes of a picture
BEGINNING = "it was the best of times it was the worst of times"
FIRST = 4.3  # seconds of that
SAID = f"{BEGINNING} it was the age of wisdom it was the age of foolishness it was the epoch of belief"
TRIES = 5  # the engine hears live speech a little differently each time


def words(text: str) -> str:
    """Return the words of a text. A quotation mark is not in the sample, so it stays."""
    return " ".join(re.sub(r"[.,\s]+", " ", text.lower()).split())


def opened(browser: Browser, root: str, *, width: int, height: int, locale: str, dark: bool) -> Page:
    context = browser.new_context(
        locale=locale, color_scheme="dark" if dark else "light", viewport={"width": width, "height": height}
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto(root)
    return page


def shoot(page: Page, name: str) -> None:
    path = TO / name
    page.screenshot(path=path)
    assert path.stat().st_size <= LARGEST, f"{name} has {path.stat().st_size:,} bytes"
    print(path, f"{path.stat().st_size:,} bytes")  # noqa: T201


def file(page: Page, name: str) -> None:
    page.locator("#sample").click()
    page.locator("#go").click()
    expect(page.locator(".word").first).to_be_visible()
    heard = " ".join(page.locator(".segment p").all_inner_texts())
    assert words(heard) == SAID, heard
    expect(page.get_by_role("status")).to_have_text("")
    page.locator(".word").nth(8).click()
    expect(page.locator(".word.now")).not_to_have_count(0)
    page.locator("#result").scroll_into_view_if_needed()
    shoot(page, name)


def live(page: Page, name: str, spoken: Path) -> bool:
    """Take the picture of a second session as its words come. Return whether all words are right."""
    page.locator("#tab-live").click()
    page.locator("#live-file").set_input_files(spoken)
    page.locator("#stop").wait_for()
    page.locator("#start").wait_for()
    page.locator("#start").click()
    page.locator("#captions p:nth-child(2)").wait_for()
    shoot(page, name)
    first, second = page.locator("#captions p").all_inner_texts()
    return words(first) == BEGINNING and BEGINNING.startswith(words(second))


def sound(path: Path) -> Path:
    """Write the beginning of the sample as a WAV file."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
    with av.open(str(FOLDER / "sample.mp3")) as source, wave.open(str(path), "wb") as target:
        target.setparams((1, 2, 48_000, 0, "NONE", ""))
        for frame in source.decode(audio=0):
            for part in resampler.resample(frame):
                if target.tell() < FIRST * 48_000:
                    target.writeframes(part.to_ndarray().tobytes())
    return path


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(engine("moonshine")) as server,
        sync_playwright() as playwright,
    ):
        spoken = sound(Path(folder) / "spoken.wav")
        root = server.base_url.removesuffix("/v1")
        path = program("chromium", "apt-get install chromium")
        flags = [*FLAGS, f"--use-file-for-fake-audio-capture={spoken}%noloop"]
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=False, args=flags)
        file(opened(browser, root, width=1280, height=1150, locale="en-GB", dark=False), "file.png")
        file(opened(browser, root, width=1280, height=1150, locale="zh-CN", dark=False), "file.zh.png")
        file(opened(browser, root, width=390, height=1150, locale="zh-CN", dark=True), "narrow.png")
        browser.close()
        for _ in range(TRIES):  # a new browser each time, because its microphone plays the file once
            browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=False, args=flags)
            right = live(opened(browser, root, width=1280, height=720, locale="en-GB", dark=True), "live.png", spoken)
            browser.close()
            if right:
                return
        raise AssertionError("the engine misheard the sample each time")


if __name__ == "__main__":
    main()
