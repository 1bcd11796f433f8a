"""Conversion of the client's audio, and its clock."""

from __future__ import annotations

from typing import Any

import pytest

from compat.bridge.intake import Intake
from compat.bridge.limits import SessionLimits
from compat.openai_api.realtime.session import AudioFormat
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

SECOND = 16_000


@pytest.mark.parametrize(
    ("form", "given", "rate", "out"),
    [
        (AudioFormat("pcm", 8000), 16_000, 16_000, 32_000),
        (AudioFormat("pcm", 16000), 32_000, 16_000, 32_000),
        (AudioFormat("pcm", 24000), 48_000, 16_000, 32_000),
        (AudioFormat("pcm", 48000), 96_000, 16_000, 32_000),
        (AudioFormat("ulaw", 8000), 8000, 8000, 16_000),
        (AudioFormat("alaw", 8000), 8000, 8000, 16_000),
    ],
)
def test_a_second_is_a_second(form: AudioFormat, given: int, rate: int, out: int) -> None:
    intake = Intake(form)
    heard = intake.feed(bytes(given)) + intake.flush()

    assert (rate, out, SECOND) == (intake.rate, len(heard), intake.position)
    assert SECOND == intake.ticks(heard)
    assert SECOND == intake.heard


@pytest.mark.parametrize("size", [1, 2, 3, 5, 480, 4801])
def test_odd_frames_are_joined(size: int) -> None:
    pcm = bytes(index * 7 % 251 for index in range(4802))
    intake, whole = Intake(AudioFormat("pcm", 24000)), Intake(AudioFormat("pcm", 24000))
    parts = b"".join(intake.feed(pcm[at : at + size]) for at in range(0, len(pcm), size)) + intake.flush()

    assert whole.feed(pcm) + whole.flush() == parts


def test_half_a_sample_waits_for_its_other_half_and_ends_with_the_turn() -> None:
    intake = Intake(AudioFormat("pcm", 16000))

    assert b"\1\0" == intake.feed(b"\1\0\2")
    assert b"\2\0" == intake.feed(b"\0\3")
    assert b"" == intake.flush()
    assert b"\4\0" == intake.feed(b"\4\0")


def test_the_clock_goes_on_in_another_format() -> None:
    first = Intake(AudioFormat("pcm", 24000))
    first.feed(bytes(48_000))
    first.flush()
    second = Intake(AudioFormat("ulaw", 8000), first.position)
    second.feed(bytes(8000))

    assert 2 * SECOND == second.position == second.heard


def test_many_short_turns_do_not_drift() -> None:
    intake = Intake(AudioFormat("pcm", 24000))
    for _ in range(100):
        intake.feed(bytes(2 * 2401))
        intake.flush()

    assert 100 * 2401 * 2 // 3 == intake.position == intake.heard


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
    stage = ready(Stage(limits=SessionLimits(frame_bytes=3200)))

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
