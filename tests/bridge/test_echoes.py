"""The prompt is not returned as the transcript of silence or noise, and is kept when it is spoken."""

from __future__ import annotations

import pytest

from tests.audio.media import silence, tone
from tests.audio.test_speechless import noise
from tests.bridge.stage import (
    Stage,
    append,
    commit,
    committed,
    final,
    ready,
    started,
    stopped,
    text,
)

PROMPT = "Charles Darnay, Sydney Carton"
SPEECH = (tone(0.3) + silence(0.2)) * 4
NOISE, SILENCE = noise(2, 0.02), silence(2)
COUGH = tone(0.1) + silence(0.1)


def turn(stage: Stage, sound: bytes, said: str, *, vad: bool, partly: str = "") -> tuple[list[str], str]:
    """The deltas of one turn, and its transcript."""
    ms = len(sound) // 32
    script = [append(sound)]
    script += [started("t1", 0)] if vad else [commit, committed("t1")]
    script += [text("t1", partly[:end], partly[end:]) for end in (0, len(partly) // 2, len(partly))]
    script += [stopped("t1", ms), committed("t1")] if vad else []
    for line in [*script, final("t1", said)]:
        stage.step(line)
    deltas = [frame["delta"] for frame in stage.frames if frame["type"].endswith("transcription.delta")]
    completed = [frame["transcript"] for frame in stage.frames if frame["type"].endswith(".completed")]
    assert 1 == len(completed)
    return deltas, completed[0]


def opened(*, vad: bool, **transcription: object) -> Stage:
    wanted = {"model": "gpt-4o-transcribe", **transcription}
    return ready(Stage(), transcription=wanted, **({} if vad else {"turn_detection": None}))


every_way = pytest.mark.parametrize("vad", [True, False])


@every_way
@pytest.mark.parametrize("sound", [SILENCE, NOISE, COUGH], ids=["silence", "noise", "a cough"])
@pytest.mark.parametrize(
    "said", [PROMPT, "charles darnay sydney carton", f"{PROMPT} {PROMPT}", "Sydney Carton, Charles"]
)
def test_an_echo_is_not_sent(vad: bool, sound: bytes, said: str) -> None:
    assert ([], "") == turn(opened(vad=vad, prompt=PROMPT), sound, said, vad=vad, partly=said)


@every_way
def test_keywords_count_too(vad: bool) -> None:
    stage = opened(vad=vad, keywords=["Qwen", "Model Studio"])

    assert ([], "") == turn(stage, SILENCE, "Qwen", vad=vad, partly="Qwen")


@every_way
@pytest.mark.parametrize("said", [PROMPT, "Sydney", "Sydney Carton is here.", "It is Sydney Carton"])
def test_spoken_words_are_sent(vad: bool, said: str) -> None:
    deltas, transcript = turn(opened(vad=vad, prompt=PROMPT), SPEECH, said, vad=vad, partly=said)

    assert said == transcript == "".join(deltas)


@every_way
@pytest.mark.parametrize("sound", [SILENCE, NOISE])
def test_other_words_are_kept_whatever_the_audio(vad: bool, sound: bytes) -> None:
    deltas, transcript = turn(opened(vad=vad, prompt=PROMPT), sound, "Thank you.", vad=vad, partly="Thank you")

    assert "Thank you." == transcript == "".join(deltas)


@every_way
def test_without_a_prompt_every_text_is_kept(vad: bool) -> None:
    assert PROMPT == turn(opened(vad=vad), SILENCE, PROMPT, vad=vad, partly=PROMPT)[1]


def test_words_are_sent_as_soon_as_they_differ_from_the_prompt() -> None:
    stage = opened(vad=True, prompt=PROMPT)
    for line in (append(SPEECH), started("t1", 0), text("t1", "Charles", " Dar")):
        stage.step(line)
    before = [frame for frame in stage.frames if frame["type"].endswith(".delta")]
    stage.step(text("t1", "Charles Dance ", "is"))

    assert [] == before
    assert "Charles Dance" == stage.frames[-1]["delta"]
