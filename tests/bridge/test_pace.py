"""How much sound is on its way, from the client and to the service."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from compat.bridge.limits import SessionLimits
from tests.bridge.service import silence, word
from tests.bridge.stage import (
    NO_PADDING,
    PCM_16K,
    Stage,
    append,
    clear,
    commit,
    detecting,
    drained,
    final,
    later,
    opened,
    play,
    ready,
    stalled,
    start,
    started,
    update,
)


def test_the_service_takes_sound_as_fast_as_it_can() -> None:
    play(
        ready(Stage(drain=False, limits=SessionLimits(in_flight_bytes=64_000))),
        [
            (append(1000), ["> audio 32000"]),
            (append(1000), ["> audio 32000"]),
            (append(1000), []),
            (append(1000), []),
            (drained, ["> audio 32000", "> audio 32000"]),
        ],
    )


def test_the_client_is_not_read_while_too_much_is_unsent() -> None:
    stage = Stage(limits=SessionLimits(unsent=60))
    play(
        stage,
        [
            (start, ["< session.created", "open"]),
            (update(format=PCM_16K), ["< session.updated"]),
            (append(59_000), []),
            (append(1000), []),
            (append(1000), ["read off"]),
        ],
    )
    assert "read on" in stage.step(opened)


def test_events_behind_a_long_append_are_read_up_to_the_next_append() -> None:
    play(
        ready(Stage(drain=False, limits=SessionLimits(in_flight_bytes=64_000, unsent=60)), turn_detection=None),
        [
            (append(300_000), ["> audio 32000", "> audio 32000"]),
            (clear, ["< cleared"]),
            (append(300_000), []),
            (append(1000), ["read off"]),
            (clear, ["< cleared", "read on"]),
        ],
    )


@pytest.mark.parametrize("turn_detection", [None, NO_PADDING], ids=["by hand", "detected"])
def test_a_clear_behind_minutes_of_audio_is_read_at_once(turn_detection: dict[str, Any] | None) -> None:
    stage = ready(Stage(drain=False), turn_detection=turn_detection)
    for _ in range(290):
        assert "read off" not in stage.step(append(1000))

    assert "< cleared" in stage.step(clear)


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_a_long_append_is_taken_piece_by_piece_and_nothing_overtakes_it(rate: int) -> None:
    words = b"".join(word(number) + silence(40) for number in range(1, 200))
    pcm = words if rate == 16000 else bytes(rate * 80)
    stage = ready(Stage(), turn_detection=None, format={"type": "audio/pcm", "rate": rate})
    said = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})
    pieces = 0
    stage.step(lambda stage: stage.bridge.from_client(said, stage.now))
    while stage.bridge.more and pieces < 2:
        stage.step(lambda stage: stage.bridge.from_client_more(stage.now))
        pieces += 1
    assert pieces
    stage.step(commit)

    assert not stage.bridge.more
    stage.step(final("t1", "x"))
    assert stage.frames[-1]["usage"]["seconds"] == len(pcm) / 2 / rate
    assert pcm == stage.sound or rate != 16000


def test_a_client_that_does_not_read() -> None:
    play(ready(Stage()), [(stalled, ["hang up 1008", "> finish"]), (later(2), ["close"])])


def test_a_large_frame_is_sent_in_small_ones() -> None:
    play(
        ready(Stage(drain=False, limits=SessionLimits(in_flight_bytes=64_000))),
        [
            (append(5000), ["> audio 32000", "> audio 32000"]),
            (drained, ["> audio 32000", "> audio 32000"]),
            (drained, ["> audio 32000"]),
        ],
    )


def test_a_service_that_falls_silent_during_fast_audio_is_replaced_in_time() -> None:
    play(
        detecting(),
        [
            (later(0.1), []),
            (append(1000), ["> audio 32000"]),
            (started("t1", 0), ["< speech_started item_1 0"]),
            (later(0.1), []),
            *[(append(1000), ["> audio 32000"])] * 25,
            (later(2.0), []),
            (later(17.8), []),
            (later(0.1), ["close", "open"]),
        ],
    )
