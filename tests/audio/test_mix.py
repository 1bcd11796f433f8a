"""Speech is recognised on any channel, also if channels cancel each other."""

from __future__ import annotations

import array
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from compat.audio.decode import pcm
from compat.audio.fit import cancels, fit
from compat.audio.pieces import split
from compat.audio.probe import measure
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.audio.media import make

RATE = 48_000
WORDS = lay(VOCABULARY[:4], gap_ms=300)
SAID = [word.text for word in WORDS]
SPEECH = array.array("h", encode(WORDS, rate=RATE))


def weighted(levels: Sequence[float]) -> bytes:
    """Return the speech with one channel for each of `levels`, at that level."""
    return array.array("h", [round(level * sample) for sample in SPEECH for level in levels]).tobytes()


def extensible(path: Path, sound: bytes, channels: int, mask: int) -> Path:
    guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    form = struct.pack("<HHIIHHHHI", 0xFFFE, channels, RATE, RATE * channels * 2, channels * 2, 16, 22, 16, mask) + guid
    size = struct.pack("<I", len(sound))
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 60 + len(sound)) + b"WAVEfmt \x28\0\0\0" + form + b"data" + size + sound
    )
    return path


def heard(path: Path, gain: int = 1) -> list[str]:
    sound = array.array("h", b"".join(pcm(path)))
    louder = array.array("h", [gain * sample for sample in sound]).tobytes()
    return [word.text for sentence in Tones().recognise([louder]) for word in sentence.words]


@pytest.mark.parametrize("container", ["wav", "wav-24", "wav-float", "flac", "mp3", "m4a", "webm", "wav-ulaw"])
@pytest.mark.parametrize("levels", [(1.0, -1.0), (-0.93, 1.0)])
def test_channels_in_opposite_phase(tmp_path: Path, container: str, levels: Sequence[float]) -> None:
    path = make(container, weighted(levels), RATE, len(levels), tmp_path / "a")

    assert SAID == heard(path)
    assert cancels(path)


@pytest.mark.parametrize("channels", [2, 4, 8, 24])
def test_many_channels_in_opposite_phase_decoded_re_encoded_and_cut(tmp_path: Path, channels: int) -> None:
    path = extensible(tmp_path / "a", weighted([1.0, -1.0] * (channels // 2)), channels, 0)
    fitted = fit(measure(path), tmp_path / "b", max_bytes=1 << 20).path
    (piece,) = split(path, tmp_path)

    assert [SAID] * 3 == [heard(path), heard(fitted), heard(piece.media.path)]


@pytest.mark.parametrize("levels", [(1.0,), (1.0, 1.0), (1.0, 0.0), (1.0, -0.5), (0.0, 0.0)])
def test_channels_that_do_not_cancel_each_other(tmp_path: Path, levels: Sequence[float]) -> None:
    assert not cancels(make("flac", weighted(levels), RATE, len(levels), tmp_path / "a"))


def test_channels_that_change_to_opposite_phase(tmp_path: Path) -> None:
    """The channels are in phase up to a pause, then in opposite phase."""
    sound = array.array("h", weighted((1.0, 1.0)))
    for at in range(2 * (WORDS[2].begin_ms - 150) * RATE // 1000 | 1, len(sound), 2):
        sound[at] = -sound[at]

    assert SAID == heard(make("flac", sound.tobytes(), RATE, 2, tmp_path / "a"))


@pytest.mark.parametrize("channels", [3, 6, 7, 8, 12, 16, 24])
def test_each_of_many_channels(tmp_path: Path, channels: int) -> None:
    """The file gives no channel positions."""
    for spoken_on in {0, channels // 2, channels - 1}:
        levels = [float(number == spoken_on) for number in range(channels)]

        assert SAID == heard(extensible(tmp_path / "a", weighted(levels), channels, 0), channels // 2), spoken_on


@pytest.mark.parametrize(("channels", "mask"), [(2, 0x9), (3, 0x7), (3, 0xB), (6, 0x3F), (8, 0x503F), (12, 0x2D63F)])
def test_each_channel_with_a_known_position(tmp_path: Path, channels: int, mask: int) -> None:
    for spoken_on in range(channels):
        levels = [float(number == spoken_on) for number in range(channels)]

        assert SAID == heard(extensible(tmp_path / "a", weighted(levels), channels, mask), channels // 2), spoken_on
