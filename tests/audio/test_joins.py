"""Concatenated files are transcribed to the end, even if they differ or have other bytes between them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from compat.audio.decode import pcm
from compat.audio.probe import header, measure
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.audio.media import Recipe, write

FIRST, SECOND = lay(VOCABULARY[:6]), lay(VOCABULARY[6:12])
LENGTH = 1.96  # seconds of each part

TS = Recipe(".ts", "mpegts", "aac", {"b": "64k"})
PARTS = {
    "wav": Recipe(".wav", "wav", "pcm_s16le"),
    "aiff": Recipe(".aiff", "aiff", "pcm_s16be"),
    "m4a": Recipe(".m4a", "ipod", "aac", {"b": "64k"}),
    "fragments": Recipe(".mp4", "mp4", "aac", {"b": "64k"}, muxing={"movflags": "frag_keyframe+empty_moov"}),
    "flac": Recipe(".flac", "flac", "flac"),
    "au": Recipe(".au", "au", "pcm_s16be"),
    "au-ulaw": Recipe(".au", "au", "pcm_mulaw"),
    "avi": Recipe(".avi", "avi", "pcm_s16le"),
    "avi-mp3": Recipe(".avi", "avi", "libmp3lame", {"b": "64k"}),
    "webm": Recipe(".webm", "webm", "libopus", {"b": "32k"}, rate=48_000),
    "mkv-mp3": Recipe(".mkv", "matroska", "libmp3lame", {"b": "64k"}),
    "mkv-film": Recipe(".mkv", "matroska", "aac", {"b": "64k"}, picture=True),
    "mkv": Recipe(".mkv", "matroska", "aac", {"b": "64k"}),
    "ts": TS,
    "ts-film": TS._replace(picture=True),
    "ts-ac3": TS._replace(codec="ac3", rate=48_000),
    "m2ts": TS._replace(muxing={"mpegts_m2ts_mode": "1"}),
    "m2ts-film": TS._replace(muxing={"mpegts_m2ts_mode": "1"}, picture=True),
}


def part(name: str, words: tuple, rate: int, channels: int, folder: Path) -> bytes:  # type: ignore[type-arg]
    mono = encode(words, rate=rate, length_ms=round(LENGTH * 1000))
    pairs = (mono[at : at + 2] * channels for at in range(0, len(mono), 2))
    write(PARTS[name], b"".join(pairs), rate, channels, str(folder / "part"))
    return (folder / "part").read_bytes()


def check(path: Path) -> None:
    media = header(path) or measure(path)

    assert [word.text for sentence in Tones().recognise(pcm(path)) for word in sentence.words] == [
        word.text for word in FIRST + SECOND
    ]
    assert media.duration == pytest.approx(2 * LENGTH, abs=0.3)
    assert (media.promised, media.clean) == (None, False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("flac", "flac"), ("au", "au-ulaw"), ("avi", "avi-mp3"), ("avi", "avi"), ("webm", "mkv-mp3"),
        ("mkv-mp3", "webm"), ("mkv-film", "mkv"), ("mkv", "mkv-film"), ("ts", "ts-film"), ("ts-film", "ts"),
        ("ts", "ts-ac3"), ("m2ts", "m2ts-film"),
    ],
)  # fmt: skip
def test_parts_with_different_codecs_rates_and_channels(tmp_path: Path, one: str, other: str) -> None:
    path = tmp_path / "joined"
    path.write_bytes(part(one, FIRST, 16_000, 1, tmp_path) + part(other, SECOND, 48_000, 2, tmp_path))

    check(path)


SIZES: dict[str, Callable[[int], int]] = {
    "8 too many": lambda size: size + 8,
    "1 too many": lambda size: size + 1,
    "12 too few": lambda size: size - 12,
    "none": lambda _: 0,
    "all ones": lambda _: 0xFFFFFFFF,
}


@pytest.mark.parametrize("size", SIZES)
def test_wav_files_with_wrong_sizes(tmp_path: Path, size: str) -> None:
    path = tmp_path / "joined"
    parts = [part("wav", words, 16_000, 1, tmp_path) for words in (FIRST, SECOND)]
    path.write_bytes(b"".join(data[:4] + struct.pack("<I", SIZES[size](len(data) - 8)) + data[8:] for data in parts))

    check(path)


@pytest.mark.parametrize(
    "between", [b"\n", bytes(512), b"TAG" + bytes(125), b"\r\n--boundary\r\nContent-Type: a/b\r\n\r\n"]
)
@pytest.mark.parametrize("name", ["wav", "aiff", "m4a"])
def test_files_with_other_bytes_between_them(tmp_path: Path, name: str, between: bytes) -> None:
    path = tmp_path / "joined"
    path.write_bytes(part(name, FIRST, 16_000, 1, tmp_path) + between + part(name, SECOND, 16_000, 1, tmp_path))

    check(path)


def test_a_pause_in_the_second_file_is_silence(tmp_path: Path) -> None:
    path, late = tmp_path / "joined", 5000
    part("webm", FIRST, 48_000, 1, tmp_path)
    with av.open(str(tmp_path / "part")) as source, av.open(str(path), "w", format="webm") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.pts is not None:
                packet.pts = packet.dts = packet.pts + late * (packet.pts > 1000)
                packet.stream = stream
                target.mux(packet)
    path.write_bytes((tmp_path / "part").read_bytes() + path.read_bytes())

    assert measure(path).duration == pytest.approx(2 * LENGTH + late / 1000, abs=0.1)


@pytest.mark.parametrize("name", ["wav", "aiff"])
@pytest.mark.parametrize("missing", [3000, 3001])  # bytes: all of the first file's words are before them
def test_a_whole_file_after_one_that_was_cut(tmp_path: Path, name: str, missing: int) -> None:
    """The first header states an end within the second file."""
    path = tmp_path / "joined"
    first, second = part(name, FIRST, 16_000, 1, tmp_path), part(name, SECOND, 48_000, 1, tmp_path)
    path.write_bytes(first[:-missing] + second)

    check(path)


@pytest.mark.parametrize("order", [("m4a", "fragments"), ("m4a", "m4a", "fragments"), ("fragments", "m4a")])
def test_fragments_before_or_after_an_mp4_without(tmp_path: Path, order: tuple[str, ...]) -> None:
    path = tmp_path / "joined"
    path.write_bytes(b"".join(part(name, FIRST, 16_000, 1, tmp_path) for name in order))

    assert measure(path).duration == pytest.approx(len(order) * LENGTH, abs=0.3)


@pytest.mark.parametrize(("muxer", "suffix"), [("adts", "aac"), ("latm", "latm"), ("mpegts", "ts")])
def test_the_length_of_aac_at_two_sample_rates(tmp_path: Path, muxer: str, suffix: str) -> None:
    """FFmpeg's packets all have the first rate."""
    path = tmp_path / "joined"
    recipe, data = Recipe(f".{suffix}", muxer, "aac", {"b": "32k"}), b""
    for rate in (16_000, 48_000):
        write(recipe, bytes(2 * 32 * rate), rate, 1, str(path))
        data += path.read_bytes()
    path.write_bytes(data)

    media = measure(path)

    assert media.duration == pytest.approx(64, abs=0.3)
    assert media.promised is None
