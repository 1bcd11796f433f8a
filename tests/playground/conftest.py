from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

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


@pytest.fixture
def page(chromium: Browser, server: RunningServer) -> Iterator[Page]:
    """Return the page, in English with the light theme. Fails on uncaught errors and violations of its Content Security
    Policy."""
    context = chromium.new_context(
        locale="en-GB", color_scheme="light", permissions=["clipboard-read", "clipboard-write"], accept_downloads=True
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda entry: faults.append(entry.text) if "Content Security Policy" in entry.text else None)
    page.goto(server.base_url.removesuffix("/v1"))
    yield page
    context.close()
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
