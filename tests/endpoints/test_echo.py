"""The context is not returned as the transcript of silence or noise, and is kept when it is spoken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import srt

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from tests.audio.media import make, silence, tone
from tests.audio.test_speechless import noise
from tests.endpoints import live
from tests.house import House, house

RATE = 16_000
PROMPT = "Charles Darnay, Sydney Carton, Lucie Manette"
WHOLE, PART, AGAIN, OTHER = PROMPT, "Sydney Carton.", f"{PROMPT} {PROMPT}", "Lucie Manette, Charles Darnay"
SPEECH = (tone(0.4) + silence(0.2)) * 5

SURFACES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    # the settings, the form
    "chat": ({}, {"model": "whisper-1"}),
    "chat, streamed": ({}, {"model": "whisper-1", "stream": "true"}),
    "generation": ({}, {"model": "qwen3-asr-flash-us"}),
    "generation, streamed": ({}, {"model": "qwen3-asr-flash-us", "stream": "true"}),
    "filetrans": ({}, {"model": "whisper-1", "response_format": "verbose_json"}),
    "filetrans, captions": ({}, {"model": "whisper-1", "response_format": "srt"}),
    "pieces": ({"long_road": "pieces"}, {"model": "whisper-1", "response_format": "verbose_json"}),
}


@pytest.fixture(scope="module")
def web() -> Iterator[httpx2.Client]:
    with httpx2.Client(verify=False, timeout=30) as client:
        yield client


@contextmanager
def home(surface: str, *said: str) -> Iterator[House]:
    """A house whose engine says these one after the other, and the last one from then on."""
    turns = [(Sentence(text=text, begin_ms=0, end_ms=900),) if text else () for text in said]
    with house(Scripted(*turns), **SURFACES[surface][0]) as opened:
        yield opened


def heard(web: httpx2.Client, home: House, surface: str, sound: bytes, folder: Path, prompt: str = PROMPT) -> str:
    path = make("wav", sound, RATE, 1, folder / "a.wav")
    answer = web.post(
        f"{home.base_url}/audio/transcriptions",
        data={**SURFACES[surface][1], "prompt": prompt},
        files={"file": ("a.wav", path.read_bytes())},
    )
    assert 200 == answer.status_code, answer.text
    if "streamed" in surface:
        events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]
        assert events[-1]["text"] == "".join(event.get("delta", "") for event in events)
        return str(events[-1]["text"])
    if "captions" in surface:
        return " ".join(cue.content for cue in srt.parse(answer.text))
    assert answer.json()["text"] or not answer.json().get("segments")
    return str(answer.json()["text"])


@pytest.mark.parametrize("surface", SURFACES)
def test_the_echo_of_silence_is_empty(web: httpx2.Client, surface: str, tmp_path: Path) -> None:
    for said in (WHOLE, PART, AGAIN, OTHER, "Lucie") if surface == "chat" else (PART,):
        with home(surface, said) as opened:
            assert "" == heard(web, opened, surface, silence(3), tmp_path), said


@pytest.mark.parametrize("surface", SURFACES)
def test_what_is_said_of_noise_is_asked_for_without_the_context(
    web: httpx2.Client, surface: str, tmp_path: Path
) -> None:
    for said in (WHOLE, PART) if surface == "chat" else (WHOLE,):
        with home(surface, said, "") as opened:
            assert "" == heard(web, opened, surface, noise(3, 0.02), tmp_path), said
            assert list(opened.dashscope.requests)[-1].context is None
    with home(surface, WHOLE, "Thunder.") as opened:
        assert "Thunder." == heard(web, opened, surface, noise(3, 0.02), tmp_path)


@pytest.mark.parametrize("surface", SURFACES)
def test_what_somebody_says_is_kept(web: httpx2.Client, surface: str, tmp_path: Path) -> None:
    kept = [(WHOLE, PROMPT), ("Sydney", PROMPT), (PART, PROMPT), ("Sydney Carton is here.", PROMPT), (WHOLE, "")]
    for said, prompt in kept if surface.startswith("chat") else kept[:1]:
        with home(surface, said) as opened:
            assert said == heard(web, opened, surface, SPEECH, tmp_path, prompt), said
    with home(surface, "Sydney Carton, Lucie Manette", "Sidney cartoon, Lucy Manet.") as opened:
        assert "Sydney Carton, Lucie Manette" == heard(web, opened, surface, SPEECH, tmp_path)


def test_a_brief_word_costs_no_second_call(web: httpx2.Client, tmp_path: Path) -> None:
    with home("chat", "Sydney") as opened:
        heard(web, opened, "chat", SPEECH, tmp_path)
        assert 1 == len(list(opened.dashscope.requests))


@pytest.mark.parametrize(
    ("sound", "told"), [(silence(2, 24_000), ""), (live.SPEECH, PROMPT)], ids=["silence", "speech"]
)
async def test_live_speech_drops_echoes_too(sound: bytes, told: str) -> None:
    with live.live_house(PROMPT) as opened:
        async with live.calling(opened) as caller:
            transcription = {"model": "gpt-live-transcribe", "prompt": PROMPT}
            audio = {"input": {"turn_detection": None, "transcription": transcription}}
            await caller.say("session.update", session={"type": "transcription", "audio": audio})
            assert told == await caller.turn(sound)
