"""What the caller's sound becomes on its way to the service."""

from __future__ import annotations

from typing import Any

import pytest

from compat.bridge.limits import Limits
from tests.bridge.stage import (
    NEW,
    NO_PADDING,
    Said,
    Stage,
    append,
    commit,
    final,
    finished,
    opened,
    play,
    ready,
    start,
    update,
)


@pytest.mark.parametrize("cuts", [[4800], [1] * 48 + [4752], [3, 5, 2391, 2401], [2400, 2400]])
def test_sound_at_24_khz_is_resampled_as_one_stream(cuts: list[int]) -> None:
    pcm = b"".join((index * 37 % 20000 - 10000).to_bytes(2, "little", signed=True) for index in range(2400))
    whole, parts = Stage(), Stage()
    for stage, sizes in ((whole, [4800]), (parts, cuts)):
        for said in (start, update(turn_detection=None), opened):
            stage.hear(said)
        at = 0
        for size in sizes:
            stage.hear(append(pcm[at : at + size]))
            at += size
        stage.hear(commit)

    assert 3200 == len(whole.sound)
    assert whole.sound == parts.sound


@pytest.mark.parametrize(
    ("form", "given", "told", "sent"),
    [
        ({"type": "audio/pcm", "rate": 8000}, 1600, "pcm/16000", 3200),
        ({"type": "audio/pcm", "rate": 16000}, 3200, "pcm/16000", 3200),
        ({"type": "audio/pcm"}, 4800, "pcm/16000", 3200),
        ({"type": "audio/pcm", "rate": 48000}, 9600, "pcm/16000", 3200),
        ({"type": "audio/pcmu"}, 800, "pcm/8000", 1600),
        ({"type": "audio/pcma"}, 800, "pcm/8000", 1600),
    ],
)
def test_every_format_is_100_ms_for_the_service(form: dict[str, Any], given: int, told: str, sent: int) -> None:
    stage = Stage()
    for said in (start, update(format=form, turn_detection=None)):
        stage.hear(said)

    assert stage.hear(opened) == [f"> setup {told} manual"]
    stage.hear(append(bytes(given)))
    stage.hear(commit)
    assert sent == len(stage.sound)
    stage.hear(final("t1", "x"))
    assert 0.1 == stage.frames[-1]["usage"]["seconds"]


def test_opus_goes_up_as_it_is_and_its_packets_tell_the_time() -> None:
    stage = Stage()
    packet = b"\x78\1\2\3"  # 20 ms, one frame
    play(
        stage,
        [
            (start, ["< session.created", "open"]),
            (update(format={"type": "audio/opus"}, turn_detection=None), ["< session.updated"]),
            (opened, ["> setup opus/16000 manual"]),
            *[(append(packet), ["> audio 4"])] * 5,
            (commit, [*NEW, "> commit"]),
            (final("t1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 0.1"]),
        ],
    )


def test_a_large_frame_is_split() -> None:
    stage = ready(Stage(limits=Limits(frame_bytes=3200)))

    assert stage.hear(append(250)) == ["> audio 3200", "> audio 3200", "> audio 1600"]


@pytest.mark.parametrize(
    ("turn_detection", "answer"),
    [(None, [final("t1", "one")]), (NO_PADDING, [finished, opened])],
    ids=["by hand", "detected"],
)
def test_half_a_sample_ends_with_the_commit(turn_detection: dict[str, Any] | None, answer: list[Said]) -> None:
    stage = ready(Stage(), turn_detection=turn_detection)
    for said in (append(b"\1\0" * 1600 + b"\7"), commit, append(b"\2\0" * 1600), *answer):
        stage.hear(said)

    assert b"\1\0" * 1600 + b"\2\0" * 1600 == stage.sound
