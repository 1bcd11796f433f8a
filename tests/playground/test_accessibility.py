"""The page for everyone: axe-core finds nothing, everything works by keyboard, and every width fits."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from compat.emulator.faults import Hang, Rule
from tests.running import RunningServer
from tests.witnesses import installed

AXE = Path(__file__).parent.parent / "clients" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (320, 390, 768, 1440)
JOBS = [
    {"id": "transcription_0-0", "name": "talk.mp3", "status": "completed", "began": 0},
    {"id": "transcription_1-0", "name": f"{'long' * 20}.mp3", "status": "failed", "error": {"code": "job_lost"}},
    {"id": "transcription_2-0", "name": "under way.mp3", "status": "queued", "began": 0, "progress": 0.5},
]


def problems(page: Page) -> list[str]:
    """Return the problems that axe-core finds, without minor ones."""
    found = page.evaluate("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations")
    serious = [entry for entry in found if entry["impact"] != "minor"]
    return [f"{entry['id']}: {node['html']} {node['failureSummary']}" for entry in serious for node in entry["nodes"]]


def wide(page: Page) -> list[int]:
    """Return the widths at which the page scrolls sideways."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(width)
    return found


def check(page: Page, view: str) -> None:
    assert (view, [], []) == (view, problems(page), wide(page))


@pytest.mark.parametrize(("locale", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_every_view_is_accessible_and_fits(
    chromium: Browser, server: RunningServer, locale: str, theme: Literal["light", "dark"]
) -> None:
    with chromium.new_context(locale=locale, color_scheme=theme) as context:
        page = context.new_page()
        page.goto(server.base_url.removesuffix("/v1"))
        page.evaluate("jobs => localStorage.setItem('jobs', JSON.stringify(jobs))", JOBS)
        page.reload()
        page.evaluate(installed(AXE, "axe-core", "scripts/clients").read_text())
        page.locator("#more summary").click()
        page.evaluate("document.getElementById('demo').hidden = false")
        check(page, "file")
        page.locator("#key-open").click()
        check(page, "key")
        page.keyboard.press("Escape")
        page.locator("#sample").click()
        page.locator("#go").click()
        expect(page.locator(".word").first).to_be_visible()
        check(page, "segments")
        page.emulate_media(media="print")
        assert "rgb(0, 0, 0)" == page.locator(".segment p").first.evaluate("line => getComputedStyle(line).color")
        expect(page.locator("#form")).to_be_hidden()
        page.emulate_media(media="screen", forced_colors="active")
        ground = "tab => getComputedStyle(tab).backgroundColor"
        for chosen in ("#tab-file", "#view-segments", "#code-languages [aria-pressed=true]"):
            assert page.locator(":checked + span").first.evaluate(ground) == page.locator(chosen).evaluate(ground)
        page.emulate_media(forced_colors="none")
        page.locator("#view-json").click()
        check(page, "json")
        page.locator("#model").fill("no-such-model")
        page.locator("#go").click()
        expect(page.locator("#file-error")).to_be_visible()
        page.locator("#file-error summary").click()
        check(page, "error")
        page.locator("#tab-live").click()
        play = page.locator("#live-play").inner_text()
        expect(page.get_by_role("button", name=play, include_hidden=False)).to_have_count(1)
        page.locator("#live-sample").click()
        expect(page.locator("#captions p").first).to_be_visible()
        check(page, "live")
        page.locator("#tab-translate").click()
        page.evaluate("document.getElementById('no-translator').hidden = false")
        page.locator("#panel-translate [data-do=sample]").click()
        expect(page.locator("#pairs .target").first).not_to_be_empty()
        check(page, "translate")


def test_the_transcript_and_the_waveform_work_by_keyboard(page: Page, speech: Path) -> None:
    page.locator("#file").set_input_files(speech)
    page.locator("#go").click()
    page.locator(".segment button").first.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator(".segment").nth(1).locator(".word").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator(".segment.current")).to_have_count(1)
    page.locator("#play").click()

    wave = page.get_by_role("slider")
    for key, position in (("Home", "0.0"), ("ArrowRight", "2.0"), ("PageUp", "3.0"), ("End", "10.0")):
        wave.press(key)
        expect(wave).to_have_attribute("aria-valuenow", position)
    expect(wave).to_have_attribute("aria-valuetext", "00:09.9 of 00:09.9")


def test_the_focus_is_kept(page: Page, server: RunningServer, speech: Path) -> None:
    server.fail(Rule("chat", Hang()))
    page.locator("#file").set_input_files(speech)
    page.get_by_text("Words as they come", exact=True).click()
    page.locator("#go").click()
    expect(page.locator("#stage")).to_have_text("Transcribing")
    expect(page.locator("#elapsed")).to_have_text("1 s")
    page.locator("#cancel").press("Enter")
    expect(page.get_by_role("status")).to_have_text("Cancelled")
    expect(page.locator("#go")).to_be_focused()
    for button in (page.get_by_role("button", name="中文"), page.get_by_role("button", name="Node")):
        button.focus()
        page.keyboard.press("Enter")
        assert "BODY" != page.evaluate("document.activeElement.tagName")


def test_without_javascript_the_page_says_what_it_needs(chromium: Browser, server: RunningServer) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(server.base_url.removesuffix("/v1"))
        expect(page.locator("noscript p")).to_contain_text("This page needs JavaScript")
        expect(page.locator("#form")).to_be_hidden()
