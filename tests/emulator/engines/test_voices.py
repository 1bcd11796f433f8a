"""Speakers by timbre and pitch: buzzes through two resonances, like vowels."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest

from compat.emulator.engines.voices import Voices
from compat.emulator.sound import RATE

SECONDS = 1.5
BASS, ALTO, CHILD = (110.0, (600.0, 1100.0)), (200.0, (700.0, 1600.0)), (300.0, (900.0, 2300.0))
Voice = tuple[float, tuple[float, float]]


def spoken(voice: Voice, seed: int) -> bytes:
    """A line of one voice: its pitch and its vowels wander."""
    chance = np.random.default_rng(seed)
    hertz, resonances = voice
    time = np.arange(round(SECONDS * RATE)) / RATE
    pitch = hertz * (1 + 0.06 * np.sin(2 * np.pi * (2 + chance.random()) * time + chance.random()))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wander = 1 + 0.15 * np.sin(2 * np.pi * (3 + chance.random()) * time + 6 * chance.random())
    sound = np.zeros_like(time)
    for harmonic in range(1, int(4000 / hertz)):
        at = harmonic * hertz
        strength = sum(1 / (1 + ((at - place * wander) / 120) ** 2) for place in resonances)
        sound += strength * np.sin(harmonic * phase)
    sound += chance.normal(0, 0.02, len(time))
    return bytes((sound / np.abs(sound).max() * 12_000).astype("<i2").tobytes())


def speakers_of(voices: list[Voice], *, block: int = RATE * 2) -> list[int]:
    """The speaker of each line, one line right after another."""
    sound = b"".join(spoken(voice, seed) for seed, voice in enumerate(voices))
    clusters = Voices()
    for _ in clusters.listen_to(sound[at : at + block] for at in range(0, len(sound), block)):
        pass
    for begin, end in itertools.pairwise(round(1000 * SECONDS * line) for line in range(len(voices) + 1)):
        clusters.line(begin, end)
    return clusters.speakers()


@pytest.mark.parametrize(
    ("voices", "speakers"),
    [
        ([BASS], [0]),
        ([BASS] * 6, [0] * 6),
        ([ALTO, BASS], [0, 1]),
        ([BASS, ALTO, BASS, BASS, ALTO], [0, 1, 0, 0, 1]),
        ([CHILD, BASS, ALTO, CHILD, ALTO, BASS], [0, 1, 2, 0, 2, 1]),
    ],
)
def test_speakers_are_distinguished_by_voice(voices: list[Voice], speakers: list[int]) -> None:
    assert speakers == speakers_of(voices)


@pytest.mark.parametrize("block", [300, 1024, 2050, 99_999])
def test_speakers_do_not_depend_on_how_the_audio_is_split(block: int) -> None:
    assert [0, 1, 0] == speakers_of([ALTO, BASS, ALTO], block=block)


def test_many_lines_are_compared_a_hundred_at_a_time() -> None:
    assert [0, 1] * 60 == speakers_of([BASS, ALTO] * 60)


def test_the_memory_for_a_long_pause_is_bounded() -> None:
    clusters, pause, line = Voices(kept_ms=10_000), 60, round(SECONDS * 1000)
    sound = [*[bytes(32_000)] * pause, spoken(BASS, 0), spoken(ALTO, 1)]
    tracemalloc.start()
    try:
        for _ in clusters.listen_to(sound):
            pass
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    for begin in (pause * 1000, pause * 1000 + line):
        clusters.line(begin, begin + line)

    assert held < 200_000  # bytes: ten seconds of frames; all of them take 600 kB
    assert [0, 1] == clusters.speakers()


def test_silence_and_discarded_lines_have_the_first_speaker() -> None:
    clusters = Voices()
    for _ in clusters.listen_to([bytes(100), bytes(64_000)]):
        pass
    clusters.line(0, 500)
    clusters.line(90_000, 91_000)

    assert [0, 0] == clusters.speakers()
    assert [] == Voices().speakers()
