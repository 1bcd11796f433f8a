"""Speech is detected by its level, at the right time, however the audio is split."""

from __future__ import annotations

import array
import math
from collections.abc import Callable

import pytest

from compat.emulator import sample, sound
from compat.emulator.realtime.vad import SpeechAudio, SpeechBegan, SpeechEnded, Vad, VadChange
from tests.emulator.realtime.talk import silence, spoken

AUDIO = silence(500) + spoken("amber", "basil") + silence(900) + spoken("cedar", begin_ms=0) + silence(700)


def changes(audio: bytes, size: int = 3_200, *, threshold: float = 0.2, silence_ms: int = 400) -> list[VadChange]:
    vad = Vad(threshold, silence_ms)
    heard = [change for at in range(0, len(audio), size) for change in vad.feed(audio[at : at + size])]
    return [*heard, *vad.flush()]


def marks(found: list[VadChange]) -> list[VadChange]:
    return [change for change in found if not isinstance(change, SpeechAudio)]


def turns(found: list[VadChange]) -> list[bytes]:
    heard: list[bytes] = []
    for change in found:
        if isinstance(change, SpeechBegan):
            heard.append(b"")
        elif isinstance(change, SpeechAudio):
            heard[-1] += change.pcm
    return heard


@pytest.mark.parametrize("size", [2, 640, 642, 3_200, 1_000_000])
def test_when_speech_begins_and_ends(size: int) -> None:
    found = changes(AUDIO, size)

    assert marks(found) == [SpeechBegan(700), SpeechEnded(1_540), SpeechBegan(2_240), SpeechEnded(2_800)]
    assert turns(found) == [AUDIO[400 * 32 : 1_540 * 32], AUDIO[1_940 * 32 : 2_800 * 32]]


def test_a_short_gap_does_not_end_a_turn() -> None:
    assert marks(changes(AUDIO, silence_ms=1_500)) == [SpeechBegan(700), SpeechEnded(3_300)]


def test_the_end_of_the_audio_ends_a_turn() -> None:
    found = changes(AUDIO[: 1_101 * 32])

    assert marks(found) == [SpeechBegan(700), SpeechEnded(1_100)]
    assert turns(found) == [AUDIO[400 * 32 : 1_101 * 32]]


@pytest.mark.parametrize(
    ("peak", "threshold", "heard"), [(1_000, 0.2, True), (850, 0.2, False), (850, 0.0, True), (150, -1, True),
                                     (3_000, 1, False), (3_600, 1, True)]
)  # fmt: skip
def test_the_threshold_is_a_peak_level(peak: int, threshold: float, heard: bool) -> None:
    wave = b"".join(value.to_bytes(2, "little", signed=True) for value in (peak, 0, -peak, 0)) * 2_000

    assert bool(marks(changes(wave, threshold=threshold))) is heard


def test_a_single_loud_hop_is_not_speech() -> None:
    assert changes(silence(200) + b"\xff\x7f" * 100 + silence(200)) == []


def test_real_speech_is_divided_at_its_pauses() -> None:
    found = marks(changes(b"".join(sound.read(sample.path())), silence_ms=400))

    assert 3 <= len(found) / 2 <= 20
    assert isinstance(found[0], SpeechBegan)
    assert found[0].at_ms == pytest.approx(1_200, abs=300)


def mixed(audio: bytes, change: Callable[[int, int], float]) -> bytes:
    """Return the audio with every sample changed. `change` gets its number and its value."""
    samples = enumerate(memoryview(audio).cast("h"))
    return array.array("h", [round(change(number, sample)) for number, sample in samples]).tobytes()


def test_a_quiet_voice_is_heard() -> None:
    speech = b"".join(sound.read(sample.path()))[: 32_000 * 6]
    quiet = mixed(speech, lambda _, sample: sample / 4)

    first = turns(changes(quiet))[0]
    at = quiet.index(first) / 32_000
    assert at <= 1.2, "the first syllable, which is too soft to begin a turn, is cut off"


@pytest.mark.parametrize("size", [642, 1_000_000])
def test_an_offset_and_hum_are_no_speech(size: int) -> None:
    offset = mixed(AUDIO, lambda _, sample: sample / 2 + 1_500)
    hum = mixed(AUDIO, lambda number, sample: sample / 2 + 1_500 * math.sin(2 * math.pi * 50 * number / 16_000))

    assert [marks(changes(AUDIO))] * 2 == [marks(changes(offset, size)), marks(changes(hum, size))]


def test_a_steady_sound_is_no_speech_after_some_seconds() -> None:
    fan = mixed(silence(10_000), lambda number, _: 3_000 * math.sin(2 * math.pi * 300 * number / 16_000))

    assert marks(changes(silence(1_000) + fan)) == [SpeechBegan(1_000), SpeechEnded(4_380)]


def test_the_end_of_the_audio_ends_the_last_turn() -> None:
    assert marks(changes(AUDIO, silence_ms=700))[-1] == SpeechEnded(3_100)
