"""Durations come from a file's bytes, and undecodable files are rejected with a clear message."""

from __future__ import annotations

import random
import shutil
import struct
from pathlib import Path

import msgspec
import pytest

from compat.audio.probe import header, measure
from compat.errors import BadAudio
from compat.transcript import Media
from tests.audio.media import RECIPES, make, tone

SECONDS = 6.0
MIMES = {
    "wav": "audio/wav", "w64": "audio/x-w64", "aiff": "audio/aiff", "mp3": "audio/mpeg", "m4a": "audio/mp4",
    "mp4": "video/mp4", "flac": "audio/flac", "ogg": "audio/ogg", "webm": "audio/webm", "mkv": "video/x-matroska",
    "aac": "audio/aac", "amr": "audio/amr", "wma": "audio/x-ms-wma", "mpeg": "video/mpeg",
}  # fmt: skip
SHOWN = {"rf64": "wav", "opus": "ogg", "mpegts": "mpeg"}  # for the others it is the first part of their name
IN_HEADER = {
    "wav", "wav-24", "wav-float", "wav-ulaw", "rf64", "flac", "mp3", "mp3-vbr", "m4a", "m4a-alac", "m4a-faststart",
}  # fmt: skip
AUDIBLE = [name for name, recipe in RECIPES.items() if recipe.sound]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    for name in RECIPES:
        rate = 8000 if name == "amr" else 16_000
        make(name, tone(SECONDS, rate), rate, 1, folder / name)
    return folder


def probe(path: Path) -> Media:
    return header(path) or measure(path)


@pytest.mark.parametrize("name", AUDIBLE)
def test_every_container_is_detected_and_measured(shelf: Path, name: str) -> None:
    media = measure(shelf / name)
    shown = SHOWN.get(name, name.partition("-")[0])

    assert (shown, MIMES[shown]) == (media.container, media.mime)
    assert media.suffix.startswith(".")
    assert media.duration == pytest.approx(SECONDS, abs=0.2)
    assert media.rate == (RECIPES[name].rate or 16_000)
    assert media.channels == (RECIPES[name].channels or 1)
    assert (media.path, media.size) == (shelf / name, (shelf / name).stat().st_size)


@pytest.mark.parametrize("name", AUDIBLE)
def test_header_agrees_with_measure_or_returns_none(shelf: Path, name: str) -> None:
    quick, full = header(shelf / name), measure(shelf / name)

    assert (quick is not None) == (name in IN_HEADER)
    assert quick == header(shelf / name, memoryview((shelf / name).read_bytes()))
    if quick is not None:  # the padding of AAC's last frame is decoded too
        assert quick.duration == pytest.approx(full.duration, abs=0.064)
        assert quick == msgspec.structs.replace(full, duration=quick.duration)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("container", ["wav", "flac", "m4a"])
def test_rates_and_channels(tmp_path: Path, container: str, rate: int, channels: int) -> None:
    media = header(make(container, tone(2, rate, channels), rate, channels, tmp_path / "a"))

    assert media is not None
    assert (rate, channels) == (media.rate, media.channels)
    assert media.duration == pytest.approx(2.0, abs=0.07)


def test_the_file_name_is_ignored(shelf: Path, tmp_path: Path) -> None:
    copied = shutil.copy(shelf / "flac", tmp_path / "song.mp3")

    assert "flac" == probe(Path(copied)).container


WAVE = tone(3)


def wav(stated: int, pcm: bytes = WAVE, behind: bytes = b"", riff: int = 0xFFFFFFFF) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", riff, b"WAVE") + form + struct.pack("<4sI", b"data", stated) + pcm + behind


@pytest.mark.parametrize(
    ("data", "clean"),
    [
        (wav(len(WAVE)), True),
        (wav(len(WAVE), behind=b"LIST\x04\0\0\0abcd"), True),
        (wav(len(WAVE), behind=b"\0"), True),
        (wav(len(WAVE) + 44), False),
        (wav(0), False),
        (wav(0xFFFFFFFF), False),
        (wav(0x7FFFFFFF - 36), False),
        (wav(3200), False),
    ],
    ids=["true", "chunk behind", "pad", "counts its header", "zero", "all ones", "sox", "stale"],
)
def test_wrong_sizes_in_a_wav_header_are_ignored(tmp_path: Path, data: bytes, clean: bool) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    media = header(path)

    assert media is not None
    assert ("wav", "audio/wav", clean, None) == (media.container, media.mime, media.clean, media.promised)
    assert media.duration == pytest.approx(3.0, abs=0.01)
    assert measure(path).duration == pytest.approx(3.0, abs=0.01)


def test_concatenated_flacs_are_not_read_from_the_header(shelf: Path, tmp_path: Path) -> None:
    joined = tmp_path / "a"
    joined.write_bytes((shelf / "flac").read_bytes() * 40)

    assert header(joined) is None


def test_concatenated_mp3s_are_measured(shelf: Path, tmp_path: Path) -> None:
    joined = tmp_path / "a"
    joined.write_bytes((shelf / "mp3").read_bytes() * 4)

    assert header(joined) is None
    assert measure(joined).duration == pytest.approx(4 * SECONDS, abs=0.6)


@pytest.mark.parametrize("name", ["wav", "rf64", "aiff", "flac", "mp3", "mp3-vbr", "m4a-faststart", "webm", "mkv"])
@pytest.mark.parametrize("kept", [0.3, 0.7])
def test_a_truncated_file_reports_its_actual_and_its_stated_duration(
    shelf: Path, tmp_path: Path, name: str, kept: float
) -> None:
    data = (shelf / name).read_bytes()
    path = tmp_path / "a"
    path.write_bytes(data[: int(len(data) * kept)])
    media = probe(path)

    assert SECONDS * kept * 0.4 < media.duration < SECONDS * (kept + 0.1)
    assert media.promised == pytest.approx(SECONDS, abs=0.1)
    assert not media.clean


@pytest.mark.parametrize("name", ["m4a", "mp4"])
def test_an_mp4_without_its_index_at_the_end_is_rejected(shelf: Path, tmp_path: Path, name: str) -> None:
    data = (shelf / name).read_bytes()
    (tmp_path / "a").write_bytes(data[: int(len(data) * 0.7)])

    with pytest.raises(BadAudio, match=r"index \(moov\) is missing"):
        probe(tmp_path / "a")


@pytest.mark.parametrize("name", ["w64", "ogg", "opus", "mp3-bare", "aac", "amr", "webm-live"])
def test_a_truncated_stream_is_measured(shelf: Path, tmp_path: Path, name: str) -> None:
    data = (shelf / name).read_bytes()
    path = tmp_path / "a"
    path.write_bytes(data[: len(data) // 2])

    assert SECONDS / 8 < probe(path).duration < SECONDS * 0.6


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is text\n" * 500, "not audio"),
        (random.Random(1).randbytes(100_000), "not audio"),  # noqa: S311 - no secret
        (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(5000), "not audio"),
        (b"%PDF-1.7\n" + bytes(5000), "not audio"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "not audio"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not audio"),
        (b"ID3\4\0\0\0\0\0\0", "not audio"),
        (b"ID3", "not audio"),
        (b"RIFF\0\0\0\0WAVE", "damaged"),
        (b"fLaC", "damaged"),
        (b"OggS" + bytes(1000), "damaged"),
        (b"\xff\xfb\x90\x64" + bytes(1000), "damaged|decoded"),
        (wav(0, b""), "no audio"),
    ],
)
def test_a_file_that_cannot_be_decoded_is_rejected_with_a_clear_message(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(data)

    with pytest.raises(BadAudio, match=reason) as caught:
        probe(path)
    assert ("file", 400) == (caught.value.param, caught.value.status)
    assert str(path) not in caught.value.message


def test_a_video_without_an_audio_track(shelf: Path) -> None:
    with pytest.raises(BadAudio, match="video without an audio track"):
        probe(shelf / "mp4-video")


@pytest.mark.parametrize("name", ["mp3", "flac", "m4a"])
def test_garbage_after_a_valid_header_does_not_block_the_event_loop(shelf: Path, tmp_path: Path, name: str) -> None:
    """A parser that would search gigabytes for the next frame is stopped, and `header` returns None."""
    path = tmp_path / "a"
    path.write_bytes((shelf / name).read_bytes()[:60])
    with path.open("r+b") as file:
        file.truncate(1 << 31)

    assert header(path) is None
