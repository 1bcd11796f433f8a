"""Echoes: the context is not returned as the transcript of silence or noise, and is kept if it is spoken."""

from __future__ import annotations

import array
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
from tests.running import RunningServer, running_server

RATE = 16_000
PROMPT = "Charles Darnay, Sydney Carton, Lucie Manette"
WHOLE, PART, AGAIN, OTHER = PROMPT, "Sydney Carton.", f"{PROMPT} {PROMPT}", "Lucie Manette, Charles Darnay"
SPEECH = (tone(0.4) + silence(0.2)) * 5

SURFACES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    # name → settings, form
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
def server(surface: str, *texts: str) -> Iterator[RunningServer]:
    """Start a server whose engine returns `texts` one after the other, and then always the last one."""
    turns = [(Sentence(text=text, begin_ms=0, end_ms=900),) if text else () for text in texts]
    with running_server(Scripted(*turns), **SURFACES[surface][0]) as opened:
        yield opened


def transcribe(
    web: httpx2.Client, server: RunningServer, surface: str, sound: bytes, folder: Path, prompt: str = PROMPT
) -> str:
    path = make("wav", sound, RATE, 1, folder / "a.wav")
    answer = web.post(
        f"{server.base_url}/audio/transcriptions",
        data={**SURFACES[surface][1], "prompt": prompt},
        files={"file": ("a.wav", path.read_bytes())},
    )
    assert 200 == answer.status_code, answer.text
    if "streamed" in surface:
        events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]
        assert events[-1]["text"] == "".join(event.get("delta", "") for event in events)
        return str(events[-1]["text"])
    if "captions" in surface:
        return " ".join(cue.content.replace("\n", " ") for cue in srt.parse(answer.text))
    assert answer.json()["text"] or not answer.json().get("segments")
    return str(answer.json()["text"])


@pytest.mark.parametrize("surface", SURFACES)
def test_the_echo_of_silence_is_empty(web: httpx2.Client, surface: str, tmp_path: Path) -> None:
    for text in (WHOLE, PART, AGAIN, OTHER, "Lucie") if surface == "chat" else (PART,):
        with server(surface, text) as opened:
            assert "" == transcribe(web, opened, surface, silence(3), tmp_path), text


@pytest.mark.parametrize("surface", SURFACES)
def test_an_echo_of_noise_is_requested_again_without_the_context(
    web: httpx2.Client, surface: str, tmp_path: Path
) -> None:
    for text in (WHOLE, PART) if surface == "chat" else (WHOLE,):
        with server(surface, text, "") as opened:
            assert "" == transcribe(web, opened, surface, noise(3, 0.02), tmp_path), text
            assert list(opened.dashscope.requests)[-1].context is None
    with server(surface, WHOLE, "Thunder.") as opened:
        assert "Thunder." == transcribe(web, opened, surface, noise(3, 0.02), tmp_path)


@pytest.mark.parametrize("surface", SURFACES)
def test_spoken_words_of_the_context_are_kept(web: httpx2.Client, surface: str, tmp_path: Path) -> None:
    kept = [(WHOLE, PROMPT), ("Sydney", PROMPT), (PART, PROMPT), ("Sydney Carton is here.", PROMPT), (WHOLE, "")]
    for text, prompt in kept if surface.startswith("chat") else kept[:1]:
        with server(surface, text) as opened:
            assert text == transcribe(web, opened, surface, SPEECH, tmp_path, prompt), text
    with server(surface, "Sydney Carton, Lucie Manette", "Sidney cartoon, Lucy Manet.") as opened:
        assert "Sydney Carton, Lucie Manette" == transcribe(web, opened, surface, SPEECH, tmp_path)


def test_a_short_text_of_the_context_is_not_requested_again(web: httpx2.Client, tmp_path: Path) -> None:
    with server("chat", "Sydney") as opened:
        transcribe(web, opened, "chat", SPEECH, tmp_path)
        assert 1 == len(list(opened.dashscope.requests))


SEGMENTS = [  # the sound of a part, its text, whether the text is kept
    (SPEECH, "It was the best of times.", True),
    (silence(3), WHOLE, False),
    (silence(3), PART, False),
    (SPEECH, PART, True),
    (silence(3), "Quite another thing.", True),
    (noise(3, 0.02), WHOLE, False),
    (SPEECH, WHOLE, True),
]


@pytest.mark.parametrize("surface", [surface for surface in SURFACES if "filetrans" in surface])
def test_silent_parts_of_a_file_task_have_no_echo(web: httpx2.Client, surface: str, tmp_path: Path) -> None:
    turn = [
        Sentence(text=text, begin_ms=3000 * at, end_ms=3000 * at + 3000) for at, (_, text, _) in enumerate(SEGMENTS)
    ]
    with running_server(Scripted(turn), **SURFACES[surface][0]) as opened:
        text = transcribe(web, opened, surface, b"".join(sound for sound, _, _ in SEGMENTS), tmp_path)

    assert " ".join(spoken for _, spoken, kept in SEGMENTS if kept) == text


def test_a_silent_channel_has_no_echo_next_to_a_channel_with_speech(web: httpx2.Client, tmp_path: Path) -> None:
    speech, quiet = (array.array("h", sound) for sound in (SPEECH, silence(3)))
    pair = array.array("h", (sample for both in zip(speech, quiet, strict=True) for sample in both)).tobytes()
    turns = [[Sentence(text=text, begin_ms=0, end_ms=3000)] for text in (PART, WHOLE)]
    with running_server(Scripted(*turns)) as opened:
        answer = web.post(
            f"{opened.base_url}/audio/transcriptions",
            data={"model": "whisper-1", "response_format": "verbose_json", "prompt": PROMPT, "channel_id": "[0,1]"},
            files={"file": ("a.wav", make("wav", pair, RATE, 2, tmp_path / "a.wav").read_bytes())},
        ).json()

    assert [PART, [PART]] == [answer["text"], [segment["text"].strip() for segment in answer["segments"]]]


@pytest.mark.parametrize(
    ("sound", "text"), [(silence(2, 24_000), ""), (live.SPEECH, PROMPT)], ids=["silence", "speech"]
)
async def test_live_transcripts_have_no_echoes(sound: bytes, text: str) -> None:
    with live.live_server(PROMPT) as opened:
        async with live.live_client(opened) as client:
            transcription = {"model": "gpt-live-transcribe", "prompt": PROMPT}
            audio = {"input": {"turn_detection": None, "transcription": transcription}}
            await client.send("session.update", session={"type": "transcription", "audio": audio})
            assert text == await client.turn(sound)
