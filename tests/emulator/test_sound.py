"""Any media file is decoded to PCM in blocks, with the right length and channel; other files are refused."""

from __future__ import annotations

import math
import struct
import tracemalloc
from pathlib import Path

import av
import pytest

from compat.emulator import sample, sound
from tests.emulator.recordings import encoded, interleaved, wav


def tone(hertz: float, seconds: float, rate: int) -> bytes:
    values = [int(12000 * math.sin(2 * math.pi * hertz * n / rate)) for n in range(int(seconds * rate))]
    return struct.pack(f"<{len(values)}h", *values)


def crossings(pcm: bytes) -> int:
    values = memoryview(pcm).cast("h")
    return sum(1 for n in range(1, len(values)) if values[n - 1] < 0 <= values[n])


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_rate_and_layout_comes_out_as_16_khz_mono(tmp_path: Path, rate: int, channels: int) -> None:
    path = wav(tmp_path / "a.wav", interleaved(*[tone(440, 2.5, rate)] * channels), rate=rate, channels=channels)
    blocks = list(sound.read(path))

    assert [len(block) for block in blocks[:2]] == [32_000, 32_000]
    assert sum(map(len, blocks)) / 32_000 == pytest.approx(2.5, abs=0.01)
    assert crossings(b"".join(blocks)) == pytest.approx(1100, abs=2)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp3", "libmp3lame"),
        ("a.m4a", "aac"),
        ("a.flac", "flac"),
        ("a.ogg", "libopus"),
        ("a.webm", "libopus"),
        ("v.ogg", "vorbis"),
        ("a.mp4", "aac"),
        ("a.wav", "pcm_mulaw"),
    ],
)
def test_every_container_is_read_and_measured(tmp_path: Path, name: str, codec: str) -> None:
    source = wav(tmp_path / "source.wav", tone(440, 3, 48_000), rate=48_000)
    path = encoded(source, tmp_path / name, codec)

    assert sum(map(len, sound.read(path))) / 32_000 == pytest.approx(3, abs=0.08)
    assert sound.duration(path) == pytest.approx(3, abs=0.08)


@pytest.mark.parametrize(("channel", "cycles"), [(0, 300), (1, 1000)])
def test_one_channel_alone(tmp_path: Path, channel: int, cycles: int) -> None:
    path = wav(tmp_path / "a.wav", interleaved(tone(300, 1, 16_000), tone(1000, 1, 16_000)), channels=2)

    assert crossings(b"".join(sound.read(path, channel=channel))) == pytest.approx(cycles, abs=2)


def test_a_missing_channel(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", tone(300, 1, 16_000))

    with pytest.raises(sound.BadSound, match="channel 1"):
        list(sound.read(path, channel=1))


@pytest.mark.parametrize("content", [b"", b"hello", b"RIFF\x00\x00\x00\x00WAVE", b"\xff" * 5000])
def test_files_without_audio_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)

    assert sound.duration(path) is None
    with pytest.raises(sound.BadSound):
        list(sound.read(path))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(sound.BadSound):
        next(sound.read(tmp_path / "none.wav"))


def test_a_video_without_a_sound_track(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(5):
            out.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        out.mux(stream.encode(None))

    assert sound.duration(path) is None
    with pytest.raises(sound.BadSound, match="no sound track"):
        next(sound.read(path))


def test_damaged_packets_are_skipped(tmp_path: Path) -> None:
    path = encoded(wav(tmp_path / "source.wav", tone(440, 8, 48_000), rate=48_000), tmp_path / "a.mp3", "libmp3lame")
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + b"\x00" * 5000 + whole[half + 60 :])

    assert sum(map(len, sound.read(path))) / 32_000 == pytest.approx(8, abs=0.2)
    assert sound.duration(path) == pytest.approx(8, abs=0.2)


def test_the_memory_for_a_long_pause_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "hold.amr"
    path.write_bytes(b"#!AMR\n" + b"\x7c" * 20_000)  # frames without data: 20 ms each, 13 MB of PCM
    tracemalloc.start()
    try:
        assert {32_000} == {len(block) for block in sound.read(path)}
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert sound.duration(path) == pytest.approx(400, abs=0.1)
    assert held < 4_000_000


def test_the_sample_is_speech_of_44_seconds() -> None:
    assert sound.duration(sample.path()) == pytest.approx(44.37, abs=0.01)
