from __future__ import annotations

import array
import functools
import math
import random
import wave
from pathlib import Path

import pytest

from compat.audio.speechless import TimeSpan, kind, of_file, of_spans
from compat.emulator import sample
from tests.audio.media import make, silence, tone

RATE = 16_000


@functools.cache
def noise(seconds: float, level: float, seed: int = 1) -> bytes:
    source = random.Random(seed)  # noqa: S311 - a sound
    return array.array("h", [round(source.gauss(0, level * 32767)) for _ in range(round(seconds * RATE))]).tobytes()


def hum(seconds: float) -> bytes:
    wave = (math.sin(n / RATE * 2 * math.pi * 50) for n in range(round(seconds * RATE)))
    return array.array("h", [round(2000 * height) for height in wave]).tobytes()


SOUNDS = [
    (b"", "silent"),
    (b"\1", "silent"),
    (silence(2), "silent"),
    (noise(2, 0.0005), "silent"),
    (noise(2, 0.02), "steady"),
    (noise(0.5, 0.2), "steady"),
    (hum(2), "steady"),
    (tone(2), "steady"),
    (tone(0.3) + silence(0.3) + tone(0.3), "lively"),
    (silence(2) + tone(0.5), "lively"),
    (tone(0.1), "lively"),
    (noise(2, 0.02) + tone(0.01) + noise(2, 0.02), "steady"),
]


@pytest.mark.parametrize(("sound", "expected"), SOUNDS)
def test_silence_steady_noise_and_possible_speech_are_distinguished(sound: bytes, expected: str) -> None:
    assert expected == kind(sound, RATE)


def test_every_second_of_real_speech_is_possible_speech_also_under_noise() -> None:
    from compat.audio.decode import pcm

    speech = array.array("h", b"".join(pcm(Path(sample.path()), RATE)))
    for start in range(0, len(speech) - RATE, RATE):
        part = speech[start : start + RATE]
        rough = array.array("h", noise(1, 0.005))
        assert "lively" == kind(part.tobytes(), RATE), start / RATE
        mixed = array.array("h", [max(-32768, min(32767, a + b)) for a, b in zip(part, rough, strict=True)])
        assert "silent" != kind(mixed.tobytes(), RATE)


def test_the_kind_of_a_file(tmp_path: Path) -> None:
    assert "silent" == of_file(make("flac", silence(1), RATE, 1, tmp_path / "a.flac"))
    assert "lively" == of_file(make("mp3", tone(0.3) + silence(0.5), RATE, 1, tmp_path / "a.mp3"))


@pytest.mark.parametrize("channels", [1, 2, 4, 9])
@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_channels_that_cancel_each_other_are_not_silence(tmp_path: Path, rate: int, channels: int) -> None:
    words = array.array("h", tone(0.3) + silence(0.5) + tone(0.3))
    signs = [(-1) ** number for number in range(channels)]
    for sound, expected in ((words, "lively"), (array.array("h", silence(1)), "silent")):
        path = tmp_path / f"{expected}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(array.array("h", [sign * sample for sample in sound for sign in signs]).tobytes())

        assert expected == of_file(path)


def test_the_kind_of_each_part_of_a_file(tmp_path: Path) -> None:
    words = array.array("h", tone(0.3) + silence(0.4) + tone(0.3))
    still = array.array("h", silence(1))
    left, right = words + still + words, still + still + words
    pair = array.array("h", (sample for both in zip(left, right, strict=True) for sample in both)).tobytes()
    path = make("flac", pair, RATE, 2, tmp_path / "a.flac")
    rows: list[tuple[TimeSpan, str]] = [
        (TimeSpan(2, 3), "lively"),
        (TimeSpan(0, 1), "lively"),
        (TimeSpan(0, 1, 0), "lively"),
        (TimeSpan(0, 1, 1), "silent"),
        (TimeSpan(0, 1, 7), "lively"),
        (TimeSpan(1.02, 1.98), "silent"),
        (TimeSpan(0.3, 0.7, 0), "silent"),
        (TimeSpan(0, 3, 1), "lively"),
        (TimeSpan(9, 10), "lively"),
        (TimeSpan(1.5, 1.5), "lively"),
    ]

    assert [expected for _, expected in rows] == of_spans(path, [span for span, _ in rows])
