"""Live translation by WebRTC in a browser: the example page plays the voice, and every word of it is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from compat.emulator.engines.tones import UNKNOWN, VOCABULARY, Tones, encode, lay
from compat.webrtc.port import bind
from tests.emulator.recordings import wav
from tests.running import running_server
from tests.servers import serve

EXAMPLE = (Path(__file__).parent.parent.parent / "examples" / "browser_translate_webrtc.html").read_text()
RATE = 24_000  # Hz, of what is recorded
LOUD = 1000
EDGE = RATE // 100  # samples
WORDS = ["amber", "basil", "cedar", "dusty"]
RECORDING = """
  // the microphone plays the words once, when the call is connected
  const answer = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const begin = () => this.connectionState === "connected" && microphone.start();
    this.addEventListener("connectionstatechange", begin);
    return answer.call(this, description);
  };
  let microphone;
  navigator.mediaDevices.getUserMedia = async () => {
    const context = new AudioContext({ sampleRate: 48000 });
    const out = context.createMediaStreamDestination();
    microphone = context.createBufferSource();
    microphone.buffer = await context.decodeAudioData(await (await fetch("/words")).arrayBuffer());
    microphone.connect(out);
    return out.stream;
  };
  // what the page plays is recorded at 24 kHz
  window.recorded = [];
  window.quiet = 0;
  const play = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "srcObject");
  Object.defineProperty(HTMLMediaElement.prototype, "srcObject", { set(stream) {
    play.set.call(this, stream);
    const context = new AudioContext({ sampleRate: 24000 });
    const recorder = context.createScriptProcessor(1024, 1, 1);
    recorder.onaudioprocess = ({ inputBuffer }) => {
      const samples = Array.from(inputBuffer.getChannelData(0), (value) => Math.trunc(value * 32767) | 0);
      quiet = samples.some((sample) => Math.abs(sample) > 1000) ? 0 : quiet + samples.length;
      if (recorded.length || !quiet) recorded.push(...samples);
    };
    context.createMediaStreamSource(stream).connect(recorder).connect(context.destination);
  } });
"""
OVER = "() => recorded.length && quiet > 36000"


def heard(samples: NDArray[np.int_]) -> list[str]:
    """Return the words by their pitch, because a browser stretches and shortens what it plays."""
    loud = np.flatnonzero(np.abs(samples) > LOUD)
    bursts = np.split(loud, np.flatnonzero(np.diff(loud) > RATE // 25) + 1)
    return [word(samples[burst[0] + EDGE : burst[-1] - EDGE]) for burst in bursts]


def word(part: NDArray[np.int_]) -> str:
    peak = int(np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part)), RATE)))) if len(part) else 0  # Hz
    return dict(enumerate(VOCABULARY)).get(round((peak - 400) / 100), UNKNOWN)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    wav(
        path := tmp_path_factory.mktemp("words") / "words.wav",
        encode(lay(WORDS, begin_ms=1000), rate=48_000),
        rate=48_000,
    )
    pages = {"/": HTMLResponse(EXAMPLE), "/words": Response(path.read_bytes(), media_type="audio/wav")}
    with serve(Starlette(routes=[Route(path, lambda _, page=page: page) for path, page in pages.items()])) as root:
        yield root


def called(context: BrowserContext, address: str) -> tuple[str, list[str]]:
    """Make a call, and return what the page shows and the words of what it plays."""
    page = context.new_page()
    page.add_init_script(RECORDING)
    page.goto(address)
    page.get_by_role("button", name="Speak").click()
    expect(page.locator("p")).to_contain_text(WORDS[-1])
    page.wait_for_function(OVER, timeout=60_000, polling=200)
    shown, recorded = page.locator("p").inner_text(), page.evaluate("() => recorded")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Speak")).to_be_visible()
    page.close()
    return shown, heard(np.array(recorded))


def test_a_browser_plays_every_word(chromium: Browser, site: str) -> None:
    """A browser on a busy machine stutters, when it records as when it plays: it has three tries."""
    with (
        running_server(Tones(), calls=bind("127.0.0.1", 0, tcp=True), cors_origins=("*",)) as server,
        chromium.new_context() as context,
    ):
        address = f"{site}?server={server.base_url.removesuffix('/v1')}"
        calls = (called(context, address) for _ in range(3))
        assert (" ".join(WORDS), WORDS) in calls
