"""How loud sound is: its quietest 20 ms, where speech begins, and whether it may be speech or stops within a word."""

from __future__ import annotations

import array
import random

import pytest

from compat.audio.quiet import beginnings, in_word, loud, quietest


def noise(seconds: float, rate: int, *, dips: tuple[tuple[float, float], ...] = ()) -> bytes:
    """Return loud noise with dips of 40 ms around the given times, each at its own level."""
    rnd = random.Random(3)  # noqa: S311 - no secret
    pcm = array.array("h", (rnd.randrange(-9000, 9000) for _ in range(round(seconds * rate))))
    for second, level in dips:
        for at in range(round((second - 0.02) * rate), round((second + 0.02) * rate)):
            pcm[at] = round(pcm[at] * level)
    return pcm.tobytes()


def noisy(softest: int, parts: tuple[float, ...], rate: int) -> bytes:
    """Return loud noise of these lengths in seconds. Negative ones are pauses, with noise up to `softest`."""
    rnd = random.Random(4)  # noqa: S311 - no secret
    pcm = array.array("h")
    for part in parts:
        loudest = 9000 if part > 0 else softest
        pcm.extend(rnd.randint(-loudest, loudest) for _ in range(round(abs(part) * rate)))
    return pcm.tobytes()


@pytest.mark.parametrize("rate", [8000, 16_000, 24_000])
@pytest.mark.parametrize(
    ("dips", "place"),
    [
        (((6.3, 0.1),), 6.3),
        (((5.5, 0.3), (6.3, 0.1), (6.9, 0.2)), 6.3),
        (((2.0, 0.0), (6.3, 0.1)), 6.3),  # outside the interval
        (((5.5, 0.0), (6.3, 0.0)), 6.3),  # the last of equals
    ],
)
def test_the_cut_is_in_the_dip(rate: int, dips: tuple[tuple[float, float], ...], place: float) -> None:
    sample = quietest(noise(7.5, rate, dips=dips), rate, earliest=5.0, latest=7.0)

    assert abs(sample / rate - place) <= 0.011


def test_silence_is_cut_at_its_end() -> None:
    assert 111_840 == quietest(bytes(2 * 16_000 * 8), 16_000, earliest=5.0, latest=7.0)


@pytest.mark.parametrize(("samples", "place"), [(0, 0), (10, 10), (80_000, 80_000), (80_100, 80_100)])
def test_too_little_sound_is_cut_at_its_end(samples: int, place: int) -> None:
    assert place == quietest(bytes(2 * samples), 16_000, earliest=5.0, latest=7.0)


def test_every_cut_is_within_the_interval() -> None:
    sample = quietest(noise(8, 8000), 8000, earliest=5.0, latest=7.0)

    assert 5.0 * 8000 <= sample <= 7.0 * 8000


@pytest.mark.parametrize(("rate", "softest"), [(8000, 90), (16_000, 0)])
@pytest.mark.parametrize(
    ("parts", "places"),
    [
        ((1.0, -0.5, 0.3), [0.0, 1.5]),
        ((1.0, -0.5, 0.3, -0.5), [0.0, 1.5]),
        ((-0.2, 1.0, -0.5, 1.0, -0.5, 0.3), [0.2, 1.7, 3.2]),
        ((1.0, -0.5, 0.005), [0.0, 1.5]),
        ((-1.0, 2.0), [1.0]),
        ((-1.0, 0.02, -0.5, 2.0), [1.52]),  # a click
        ((1.0, -0.5, 0.02, -0.5), [0.0]),
        ((1.0, -0.3, 1.0), [0.0]),
        ((-1.0,), []),
        ((), []),
    ],
)
def test_speech_begins_after_each_pause(rate: int, softest: int, parts: tuple[float, ...], places: list[float]) -> None:
    assert beginnings(noisy(softest, parts, rate), rate, 0.4) == [round(place * rate) for place in places]


@pytest.mark.parametrize(
    ("samples", "speech"),
    [([], False), ([0] * 9, False), ([0, 255, -256, 0], False), ([0, -257, 0], True), ([0, 256, 0], True)],
)
def test_sound_above_42_dbfs_may_be_speech(samples: list[int], speech: bool) -> None:
    assert loud(array.array("h", samples).tobytes()) == speech


@pytest.mark.parametrize(
    ("softest", "parts", "expected"),
    [
        (0, (-0.5, 0.3, -0.1, 0.3), True),
        (0, (-0.5, 0.3, -0.12), False),
        (900, (-0.5, 0.3, -0.1, 0.3), True),
        (900, (-0.5, 0.3, -0.12), False),
        (900, (-3.0,), False),
        (0, (), False),
    ],
    ids=["word", "pause", "word in noise", "pause in noise", "noise", "nothing"],
)
def test_sound_that_stops_within_a_word(softest: int, parts: tuple[float, ...], expected: bool) -> None:
    assert in_word(noisy(softest, parts, 16_000), 16_000) == expected
