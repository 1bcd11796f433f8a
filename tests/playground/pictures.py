"""Regenerates docs/pictures with the local engine: python -m tests.playground.pictures

live.png shows latencies, so run nothing else at the same time.
"""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from compat.emulator import sample
from compat.emulator.engines import engine
from tests.playground.conftest import FLAGS
from tests.running import running_server
from tests.witnesses import program

TO = Path(__file__).parent.parent.parent / "docs" / "pictures"
SPEECH = sample.path()
TWO_VOICES = SPEECH.with_name("endgame_nagg_nell.wav")


def opened(browser: Browser, root: str, height: int, *, locale: str = "en-GB", dark: bool = False) -> Page:
    context = browser.new_context(
        locale=locale, color_scheme="dark" if dark else "light", viewport={"width": 940, "height": height}
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(root)
    return page


def transcribed(page: Page, mode: str) -> None:
    page.locator(f"[name=mode][value={mode}]").check(force=True)
    page.locator("#go").click()
    expect(page.locator(".segment").nth(1)).to_be_visible(timeout=300_000)
    expect(page.get_by_role("status")).to_have_text("")


def file(page: Page, name: str) -> None:
    page.locator("#sample").click()  # whose words the local engine gets right
    transcribed(page, "times")
    page.locator(".word").nth(15).click()
    expect(page.locator(".word.now")).not_to_have_count(0)
    page.screenshot(path=TO / name)


def speakers(page: Page) -> None:
    page.locator("#file").set_input_files(TWO_VOICES)
    transcribed(page, "speakers")
    page.get_by_role("button", name="Python", exact=True).click()
    page.screenshot(path=TO / "speakers.png", full_page=True)


def live(page: Page) -> None:
    page.locator("#tab-live").click()
    page.locator("#start").click()
    expect(page.locator("#captions")).to_contain_text(re.compile("foolishness", re.IGNORECASE))
    expect(page.locator("#captions .stash:not(:empty)")).not_to_have_count(0)
    page.screenshot(path=TO / "live.png")


def main() -> None:
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={SPEECH}%noloop"]
    with running_server(engine("moonshine")) as server, sync_playwright() as playwright:
        path = program("chromium", "apt-get install chromium")
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=False, args=flags)
        root = server.base_url.removesuffix("/v1")
        file(opened(browser, root, 1125), "file.png")
        file(opened(browser, root, 1125, locale="zh-CN"), "file.zh.png")
        speakers(opened(browser, root, 1180, locale="zh-CN", dark=True))
        live(opened(browser, root, 800))
        browser.close()


if __name__ == "__main__":
    main()
