from __future__ import annotations

import pytest

from compat.bridge.intake import Intake
from compat.openai_api.realtime.session import AudioFormat

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
