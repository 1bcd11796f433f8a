from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from compat.emulator import sample
from compat.webrtc.port import bind
from tests.emulator.recordings import wav
from tests.running import RunningServer, running_server
from tests.whole.speech import remembering
from tests.witnesses import program

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    # Pages of one context share a process.
    "--process-per-site",
    "--renderer-process-limit=1",
)
expect.set_options(timeout=60_000)
SPEECH = sample.path().with_name("beckett.wav")  # ten seconds; the fake microphone plays it once


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    path = program("chromium", "apt-get install chromium")
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={SPEECH}%noloop"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=False, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server() -> Iterator[RunningServer]:
    with running_server(remembering(), calls=bind("127.0.0.1", 0, tcp=True), cors_origins=("*",)) as opened:
        yield opened


@pytest.fixture(scope="package")
def profile(chromium: Browser, server: RunningServer) -> Iterator[BrowserContext]:
    """Return a context in English with the light theme. Its first page keeps the process alive that all pages share:
    a process for each test would take 0.6 s of CPU time."""
    granted = ["clipboard-read", "clipboard-write", "microphone"]
    with chromium.new_context(
        locale="en-GB", color_scheme="light", permissions=granted, accept_downloads=True
    ) as context:
        context.new_page().goto(f"{server.base_url.removesuffix('/v1')}/healthz")
        yield context


@pytest.fixture
def tab(profile: BrowserContext) -> Iterator[Page]:
    """Return an empty page. Afterwards, close all pages that the test opened in the context and clear their storage."""
    page = profile.new_page()
    page.set_default_timeout(60_000)
    yield page
    first, *opened = profile.pages
    origins = {urljoin(page.url, "/") for page in opened if page.url.startswith("http")}
    for page in opened:
        page.close()
    session = profile.new_cdp_session(first)
    for origin in origins:
        session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    session.detach()
    profile.set_offline(False)


@pytest.fixture
def page(tab: Page, server: RunningServer) -> Iterator[Page]:
    """Return the playground's page. Fails on uncaught errors and violations of its Content Security Policy."""
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda entry: faults.append(entry.text) if "Content Security Policy" in entry.text else None)
    tab.goto(server.base_url.removesuffix("/v1"))
    yield tab
    assert [] == faults


@pytest.fixture
def speech() -> Path:
    return SPEECH


@pytest.fixture
def beginning(tmp_path: Path) -> Path:
    """Return the first three seconds of the speech."""
    with wave.open(str(SPEECH)) as source:
        rate = source.getframerate()
        wav(path := tmp_path / "speech.wav", source.readframes(3 * rate), rate=rate)
    return path
