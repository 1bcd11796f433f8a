"""Damage inside a file: later words keep their times if the file has timestamps, and missing audio is reported."""

from __future__ import annotations

import functools
import random
import re
from pathlib import Path

import pytest

from compat.audio.decode import pcm
from compat.audio.fit import fit
from compat.audio.probe import header, measure
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.transcript import Media
from tests.audio.media import Recipe, write

AAC = {"b": "64k"}
TIMED = {
    "m4a": Recipe(".m4a", "ipod", "aac", AAC, muxing={"movflags": "+faststart"}),
    "mkv": Recipe(".mkv", "matroska", "aac", AAC),
    "mkv-film": Recipe(".mkv", "matroska", "aac", AAC, picture=True),
    "flv": Recipe(".flv", "flv", "aac", AAC),
}
UNTIMED = {"flac": Recipe(".flac", "flac", "flac"), "avi": Recipe(".avi", "avi", "libmp3lame", AAC)}

HOLED = {
    "mp3": Recipe(".mp3", "mp3", "libmp3lame", {"b": "64k"}),
    "alac": Recipe(".m4a", "ipod", "alac", muxing={"movflags": "+faststart"}, samples="s16p"),
    "opus": Recipe(".mp4", "mp4", "libopus", AAC, rate=48_000, muxing={"movflags": "+faststart"}),
    "avi": Recipe(".avi", "avi", "pcm_s16le"),
    "ogg-opus": Recipe(".ogg", "ogg", "libopus", AAC, rate=48_000),
    "ogg-flac": Recipe(".oga", "ogg", "flac"),
}


def zeros(data: bytes, begin: int, end: int) -> bytes:
    return data[:begin] + bytes(end - begin) + data[end:]


def rubbish(data: bytes, begin: int, end: int) -> bytes:
    return data[:begin] + random.Random(4).randbytes(end - begin) + data[end:]  # noqa: S311 - no secret


def cut(data: bytes, begin: int, end: int) -> bytes:
    return data[:begin] + data[end:]


@functools.cache
def speech(seconds: int) -> bytes:
    return encode(lay((VOCABULARY * 40)[: seconds * 3], gap_ms=120), rate=16_000, length_ms=1000 * seconds)


def written(recipe: Recipe, seconds: int, channels: int, path: Path) -> bytes:
    """Return a file with words from beginning to end."""
    mono = speech(seconds)
    pairs = b"".join(mono[at : at + 2] * channels for at in range(0, len(mono), 2))
    write(recipe, pairs, 16_000, channels, str(path))
    return path.read_bytes()


def heard(path: Path) -> list[tuple[str, int]]:
    words = [word for sentence in Tones().recognise(pcm(path)) for word in sentence.words]
    return [(word.text, word.begin_ms) for word in words]


def measured(path: Path) -> Media:
    return header(path) or measure(path)


@pytest.mark.parametrize(("name", "seconds"), [*((name, 12) for name in TIMED), ("m4a", 62), ("mkv", 62)])
@pytest.mark.parametrize("damage", [zeros, rubbish])
def test_words_after_damage_keep_their_times(tmp_path: Path, name: str, damage: object, seconds: int) -> None:
    path = tmp_path / "odd"
    whole = written(TIMED[name], seconds, 1, path)
    right = heard(path)
    path.write_bytes(damage(whole, len(whole) * 5 // 10, len(whole) * 6 // 10))  # type: ignore[operator]

    found = [(word, begin) for word, begin in heard(path) if begin > 600 * seconds]

    assert found[-1][0] == right[-1][0]
    assert found[-1][1] == pytest.approx(right[-1][1], abs=100)
    for word, begin in found[1:]:  # the first may be damaged
        assert any(word == other and abs(begin - due) < 100 for other, due in right)
    media = measure(path)
    assert media.duration == pytest.approx(seconds, abs=0.3)
    # An M4A is not searched for rubbish, and in a film other packets lie between those of the audio anyway.
    if media.promised is not None or (damage is zeros and name != "mkv-film"):
        assert media.promised == pytest.approx(seconds, abs=0.3)
        assert 0.5 * seconds < media.decoded < 0.96 * seconds  # Matroska is read again from the next cluster


@pytest.mark.parametrize("name", ["m4a", *UNTIMED])
@pytest.mark.parametrize(("seconds", "channels"), [(12, 2), (62, 1)])
def test_a_hole_of_zeros_is_reported(tmp_path: Path, name: str, seconds: int, channels: int) -> None:
    path = tmp_path / "odd"
    whole = written((TIMED | UNTIMED)[name], seconds, channels, path)
    path.write_bytes(zeros(whole, len(whole) * 45 // 100, len(whole) * 55 // 100))

    media = measured(path)

    assert media.promised == pytest.approx(seconds, abs=0.3)
    assert media.decoded == pytest.approx(seconds * 0.9, abs=0.06 * seconds)
    assert not media.clean


def test_damage_found_by_encoding_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "odd"
    whole = written(TIMED["m4a"], 12, 2, path)
    path.write_bytes(rubbish(whole, len(whole) // 3, len(whole) * 2 // 3))
    media = header(path)
    assert media is not None

    fitted = fit(media, tmp_path / "fitted", max_bytes=1 << 20)

    assert fitted.promised == pytest.approx(12, abs=0.3)
    assert fitted.decoded == pytest.approx(8, abs=1)


def test_a_wrong_timestamp_after_damage_adds_no_silence(tmp_path: Path) -> None:
    path = tmp_path / "odd"
    whole = written(TIMED["mkv"], 12, 1, path)
    at = whole.index(b"\x1f\x43\xb6\x75", len(whole) // 3)  # a cluster, and in it its time
    time = whole.index(b"\xe7\x82", at) + 2
    path.write_bytes(whole[: at - 200] + bytes(100) + whole[at - 100 : time] + b"\xff\xff" + whole[time + 2 :])

    assert measured(path).duration == pytest.approx(12, abs=1)


FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "1000000"}
DAMAGE = {
    "size of a fragment's header": (0, b"\x10"),
    "name of a fragment's header": (5, b"X"),
    "size of a track's header": (8 + 16 + 3, b"\xff"),
    "size of the audio": (None, b"\x01"),
    "hole": (0, bytes(3000)),
}


@pytest.mark.parametrize(("damage", "picture"), [*((damage, False) for damage in DAMAGE), ("hole", True)])
def test_fragments_after_a_damaged_one_are_read(tmp_path: Path, damage: str, picture: bool) -> None:
    path, (at, other) = tmp_path / "odd", DAMAGE[damage]
    recipe = Recipe(".mp4", "mp4", "aac", AAC, muxing=FRAGMENTS, picture=picture)
    whole = written(recipe, 12, 1, path)
    right = heard(path)
    third = [match.start() - 4 for match in re.finditer(b"moof", whole)][2]
    place = whole.index(b"mdat", third) - 4 if at is None else third + at
    path.write_bytes(whole[:place] + other + whole[place + len(other) :])

    media, found = measured(path), heard(path)

    assert media.duration == pytest.approx(12, abs=0.3)
    assert not media.clean
    assert found[-1][0] == right[-1][0]
    assert found[-1][1] == pytest.approx(right[-1][1], abs=100)
    assert len(found) > len(right) * 2 // 3
    if media.promised is not None:
        assert media.promised == pytest.approx(12, abs=0.3)
        assert 8 < media.decoded < 11.5


@pytest.mark.parametrize(("begin", "end"), [(50, 80), (10, 20)])
@pytest.mark.parametrize("name", ["webm", "mkv"])
def test_words_after_missing_bytes_keep_their_times(tmp_path: Path, name: str, begin: int, end: int) -> None:
    path = tmp_path / "odd"
    recipe = Recipe(".webm", "webm", "libopus", {"b": "32k"}, rate=48_000) if name == "webm" else TIMED["mkv"]
    whole = written(recipe, 24, 1, path)
    right = heard(path)
    path.write_bytes(whole[: len(whole) * begin // 100] + whole[len(whole) * end // 100 :])

    media, found = measured(path), heard(path)

    assert found[-1][0] == right[-1][0]
    assert found[-1][1] == pytest.approx(right[-1][1], abs=100)
    assert media.duration == pytest.approx(24, abs=0.3)
    assert media.promised == pytest.approx(24, abs=0.3)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("mp3", zeros), ("alac", zeros), ("opus", zeros), ("avi", zeros), ("ogg-opus", cut), ("ogg-flac", rubbish),
    ],
)  # fmt: skip
def test_a_hole_in_a_long_file_is_reported_or_becomes_silence(tmp_path: Path, name: str, damage: object) -> None:
    path = tmp_path / "odd"
    whole = written(HOLED[name], 62, 1, path)
    assert measured(path).promised is None
    path.write_bytes(damage(whole, len(whole) * 45 // 100, len(whole) * 55 // 100))  # type: ignore[operator]

    media = measured(path)

    assert not media.clean
    if name == "opus":  # Opus decodes zeros, as silence
        assert media.duration == pytest.approx(62, abs=0.3)
    else:
        assert media.promised == pytest.approx(62, abs=0.3)
        assert media.decoded == pytest.approx(62 * 0.9, abs=2)


def test_bytes_between_fragments_with_absolute_offsets_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "odd"
    options = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "1000000"}
    whole = written(Recipe(".mp4", "mp4", "aac", AAC, muxing=options), 62, 1, path)
    path.write_bytes(whole[: len(whole) // 3] + bytes(range(200)) * 5 + whole[len(whole) // 3 :])

    media = measured(path)

    assert media.promised == pytest.approx(62, abs=0.3)
    assert media.decoded < 55
