"""Decoding: exact samples at the container's times."""

from __future__ import annotations

import array
import os
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from compat.audio.decode import opened, pcm
from compat.audio.mix import Mixer
from compat.errors import BadAudio
from tests.audio.media import make, tone


def decoded(path: Path) -> array.array[int]:
    return array.array("h", b"".join(pcm(path)))


def with_a_hole(path: Path) -> Path:
    """Write a second of sound, a gap of two seconds in the timestamps, and another second of sound."""
    with av.open(str(path), "w", format="webm") as output:
        stream = output.add_stream("libopus", rate=48_000, layout="mono")
        assert isinstance(stream, AudioStream)
        stream.codec_context.open()
        sound = tone(1, 48_000)
        for number in range(100):
            frame = AudioFrame(format="s16", layout="mono", samples=960)
            frame.planes[0].update(sound[1920 * (number % 50) : 1920 * (number % 50 + 1)])
            frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
            frame.pts = 960 * number + (0 if number < 50 else 96_000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def test_a_gap_in_the_timestamps_is_silence(tmp_path: Path) -> None:
    samples = decoded(with_a_hole(tmp_path / "a"))

    assert len(samples) == pytest.approx(4 * 16_000, abs=800)
    assert max(samples[2000:15_000]) > 8000
    assert not any(samples[17_000:47_000])
    assert max(samples[49_000:62_000]) > 8000


def test_samples_are_exact(tmp_path: Path) -> None:
    sound = os.urandom(40_000)

    assert sound == b"".join(pcm(make("flac", sound, 16_000, 1, tmp_path / "a")))


def test_a_header_with_too_small_a_size_loses_no_samples(tmp_path: Path) -> None:
    path = make("wav", tone(2), 16_000, 1, tmp_path / "a")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = (3200).to_bytes(4, "little")
    path.write_bytes(data)

    assert tone(2) == b"".join(pcm(path))


def test_rate_and_channels_may_change_within_a_track() -> None:
    mixer = Mixer(16_000)
    mixed = b""
    for rate, layout, channels in ((48_000, "stereo", 2), (8000, "mono", 1), (48_000, "stereo", 2)):
        frame = AudioFrame(format="s16", layout=layout, samples=rate)
        frame.planes[0].update(tone(1, rate, channels))
        frame.sample_rate = rate
        mixed += b"".join(mixer.feed(frame))
    mixed += b"".join(mixer.flush())

    assert len(mixed) / 2 == pytest.approx(3 * 16_000, abs=3)


def test_an_unknown_codec_is_rejected_with_a_clear_message(tmp_path: Path) -> None:
    path = make("wav", tone(2), 16_000, 1, tmp_path / "a")
    path.write_bytes(path.read_bytes().replace(b"fmt \x10\0\0\0\1\0", b"fmt \x10\0\0\0\x99\x99"))

    with pytest.raises(BadAudio, match="in an unknown codec"), opened(path):
        pass


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile '{}'\n", "{}"]
)
def test_a_playlist_does_not_open_other_files(tmp_path: Path, text: str) -> None:
    other = make("wav", tone(2), 16_000, 1, tmp_path / "other.wav")
    (tmp_path / "a.m3u8").write_text(text.format(other))

    with pytest.raises(BadAudio), opened(tmp_path / "a.m3u8"):
        pass
