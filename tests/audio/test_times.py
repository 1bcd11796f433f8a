"""Word times match the file's: frames without speech, chained links and gaps in the timestamps."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import av
import pytest
from av.audio.stream import AudioStream

from compat.audio.clock import pauses
from compat.audio.decode import pcm
from compat.audio.probe import header, measure
from compat.emulator import sound
from compat.emulator.engine import Word
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.transcript import Media
from tests.audio.media import Recipe, frames, write
from tests.audio.odd import written

WORDS = lay(VOCABULARY[:4], gap_ms=400)
_AMR = (13, 14, 16, 18, 20, 21, 27, 32, 6)  # bytes by frame type (RFC 4867 §5.3)


def measured(path: Path) -> Media:
    return header(path) or measure(path)


def heard(path: Path, read: Callable[[Path], Iterator[bytes]] = pcm) -> list[tuple[str, int]]:
    words = [word for sentence in Tones().recognise(read(path)) for word in sentence.words]
    return [(word.text, word.begin_ms) for word in words]


@pytest.mark.parametrize("pause", [b"\x7c", b"\x44" + bytes(5)], ids=["no data", "comfort noise"])
@pytest.mark.parametrize("at", [0, 57, 10_000])  # frames: at the start, in the middle, at the end
def test_frames_without_speech_have_the_usual_duration(tmp_path: Path, pause: bytes, at: int) -> None:
    whole = written("amr", encode(WORDS, rate=8000), 8000, tmp_path)
    frames, place = [], 6
    while place < len(whole):
        frames.append(whole[place : place + _AMR[whole[place] >> 3]])
        place += len(frames[-1])
    path = tmp_path / "odd"
    path.write_bytes(whole[:6] + b"".join([*frames[:at], *[pause] * 100, *frames[at:]]))
    begin = 20 * at

    media = measured(path)

    assert media.duration == pytest.approx((len(frames) + 100) / 50, abs=0.001)
    assert (media.promised, media.clean) == (None, False)
    assert sum(map(len, pcm(path))) / 32_000 == pytest.approx(media.duration, abs=0.01)
    assert sound.duration(path) == pytest.approx(media.duration, abs=0.01)
    assert sum(map(len, sound.read(path))) / 32_000 == pytest.approx(media.duration, abs=0.01)
    expected = [(word.text, word.begin_ms + 2000 * (word.begin_ms >= begin)) for word in WORDS]
    for read in (pcm, sound.read):
        assert [word for word, _ in expected] == [word for word, _ in heard(path, read)]
        for (_, right), (_, found) in zip(expected, heard(path, read), strict=True):
            assert found == pytest.approx(right, abs=60)


@pytest.mark.parametrize(
    "chain",
    [
        ("ogg", 48_000, "ogg", 16_000),
        ("ogg", 16_000, "opus", 48_000, "ogg-flac", 16_000),
        ("ogg-flac", 16_000, "ogg-flac", 44_100, "ogg-flac", 16_000),
        ("opus", 48_000, "ogg", 32_000, "opus", 48_000),
    ],
)
def test_all_links_of_a_chain_are_transcribed(tmp_path: Path, chain: tuple[str | int, ...]) -> None:
    path, data, seconds = tmp_path / "odd", b"", 0.0
    for name, rate in zip(chain[::2], chain[1::2], strict=True):
        link = written(str(name), encode(WORDS, rate=int(rate)), int(rate), tmp_path)
        (tmp_path / "link").write_bytes(link)
        data, seconds = data + link, seconds + measured(tmp_path / "link").duration
    path.write_bytes(data)

    media = measured(path)

    assert media.duration == pytest.approx(seconds, abs=0.1)
    assert not media.clean
    assert media.promised is None
    assert sound.duration(path) == pytest.approx(seconds, abs=0.1)
    for read in (pcm, sound.read):
        assert [word.text for word in WORDS] * (len(chain) // 2) == [word for word, _ in heard(path, read)]
        assert all(before < after for (_, before), (_, after) in pairwise(heard(path, read)))


@pytest.fixture(scope="module")
def minute() -> bytes:
    return encode(WORDS, rate=48_000, length_ms=62_000)


@pytest.mark.parametrize("seconds", [3, 62])
@pytest.mark.parametrize(
    ("muxer", "codec", "options"),
    [
        ("ipod", "aac", {}),
        ("mp4", "aac", {"movflags": "faststart"}),
        ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov", "frag_duration": "500000"}),
        ("mov", "aac", {}),
        ("webm", "libopus", {}),
        ("matroska", "flac", {}),
    ],
)
def test_a_pause_in_the_recording_is_silence(
    tmp_path: Path, minute: bytes, muxer: str, codec: str, options: dict[str, str], seconds: int
) -> None:
    """The timestamps have a gap of five seconds after the second word."""
    path, begin = tmp_path / "odd", 1.15
    with av.open(str(path), "w", format=muxer, options=options) as output:
        stream = output.add_stream(codec, rate=48_000, layout="mono")
        assert isinstance(stream, AudioStream)
        parts = frames(minute[: seconds * 96_000], 48_000, 1, stream)
        for packet in [packet for part in [*parts, None] for packet in stream.encode(part)]:
            time = packet.pts or 0
            if time * packet.time_base >= begin:
                packet.pts = packet.dts = time + round(5 / packet.time_base)
            output.mux(packet)

    media = measured(path)

    assert not media.clean
    assert media.duration == pytest.approx(seconds + 5, abs=0.15)
    assert sound.duration(path) == pytest.approx(media.duration, abs=0.15)
    for read in (pcm, sound.read):
        assert [word.text for word in WORDS] == [word for word, _ in heard(path, read)]
        for word, (_, found) in zip(WORDS, heard(path, read), strict=True):
            assert found == pytest.approx(word.begin_ms + 5000 * (word.begin_ms > 1150), abs=80)


FILMS = {
    "mp4": Recipe(".mp4", "mp4", "aac", picture=True),
    "mov": Recipe(".mov", "mov", "aac", picture=True),
    "matroska": Recipe(".mkv", "matroska", "libmp3lame", picture=True),
    "mpegts": Recipe(".ts", "mpegts", "aac", picture=True),
    "mpeg": Recipe(".mpg", "mpeg", "mp2", picture=True),
    "asf": Recipe(".wmv", "asf", "wmav2", {"b": "64k"}, picture=True),
}


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize(("late", "seconds"), [(0, 3), (2, 3), (20, 3), (20, 62)])
def test_word_times_of_a_video_start_with_its_pictures(
    tmp_path: Path, minute: bytes, name: str, late: int, seconds: int
) -> None:
    write(FILMS[name], minute[: seconds * 96_000], 48_000, 1, str(tmp_path / "film"), late)
    media = measured(tmp_path / "film")

    assert media.duration == pytest.approx(late + seconds, abs=0.15)
    assert media.promised is None
    for word, (text, found) in zip(WORDS, heard(tmp_path / "film"), strict=True):
        assert word.text == text
        assert found == pytest.approx(word.begin_ms + 1000 * late, abs=80)


@pytest.mark.parametrize("name", FILMS)
def test_video_longer_than_the_audio_states_no_longer_duration(tmp_path: Path, name: str) -> None:
    write(FILMS[name], encode(WORDS, rate=48_000, length_ms=3000), 48_000, 1, str(tmp_path / "film"), silent=9)
    media = measured(tmp_path / "film")

    assert media.duration == pytest.approx(3, abs=0.15)
    assert media.promised is None


@pytest.mark.parametrize("name", ["m4a", "mp4-fragments", "mov", "webm", "mkv", "mkv-aac"])
def test_a_long_file_without_a_pause_is_clean(tmp_path: Path, minute: bytes, name: str) -> None:
    path = tmp_path / "even"
    path.write_bytes(written(name, minute, 48_000, tmp_path))

    assert measured(path).clean
    assert measured(path).duration == pytest.approx(62, abs=0.1)


@pytest.mark.parametrize("jump", [4000, 50_000])
def test_a_jump_of_an_hour_is_neither_silence_nor_missing_audio(tmp_path: Path, jump: int) -> None:
    path = tmp_path / "odd"
    with av.open(str(path), "w", format="mov") as output:
        stream = output.add_stream("aac", rate=48_000, layout="mono")
        assert isinstance(stream, AudioStream)
        parts = frames(encode(WORDS, rate=48_000), 48_000, 1, stream)
        for packet in [packet for part in [*parts, None] for packet in stream.encode(part)]:
            time = packet.pts or 0
            late = jump if time * packet.time_base >= 1.15 else 0
            packet.pts = packet.dts = time + round(late / packet.time_base)
            output.mux(packet)

    media = measured(path)

    assert media.duration == pytest.approx(2.24, abs=0.1)
    assert media.promised is None
    assert [word.text for word in WORDS] == [word for word, _ in heard(path)]


@pytest.mark.parametrize(
    ("drift", "jitter", "lost", "paused"),
    [(1.0, 0, 0, False), (1.0001, 9, 0, False), (0.9995, 9, 0, False), (1.0004, 9, 0, True), (1.0, 9, 100, True)],
)
def test_clocks_of_devices_may_differ(drift: float, jitter: int, lost: int, paused: bool) -> None:
    """A quarter of an hour in packets of 1024 samples, with timestamps and durations in milliseconds."""
    chance = random.Random(3)  # noqa: S311 - no secret
    ideal = [number * 1024 / 44.1 * drift for number in range(39_000) if not (lost and number % 1000 < lost // 100)]
    times = [round(time + chance.randint(-jitter, jitter)) for time in ideal]

    assert pauses(times, [23] * len(times), 0.001, 44_100, padded=False) is paused


@pytest.mark.parametrize(
    ("muxer", "codec", "rate", "options"),
    [
        ("mp4", "aac", 48_000, {}),
        ("mp4", "aac", 44_100, {"movflags": "frag_keyframe+empty_moov", "frag_duration": "500000"}),
        ("webm", "libopus", 48_000, {}),
        ("matroska", "aac", 44_100, {}),
    ],
)
def test_single_lost_packets_do_not_add_up(
    tmp_path: Path, muxer: str, codec: str, rate: int, options: dict[str, str]
) -> None:
    """Each gap is shorter than a pause, but together they are 3 seconds."""
    words = [Word(text, 1000 * at, 1000 * at + 160) for at, text in enumerate((VOCABULARY * 3)[:64], 1)]
    path = tmp_path / "odd"
    with av.open(str(path), "w", format=muxer, options=options) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, AudioStream)
        parts = frames(encode(words, rate=rate, length_ms=66_000), rate, 1, stream)
        for number, packet in enumerate(packet for part in [*parts, None] for packet in stream.encode(part)):
            if number % 20:
                output.mux(packet)

    media = measured(path)
    found = {text: begin for text, begin in heard(path) if text in VOCABULARY}

    assert not media.clean
    assert media.duration == pytest.approx(66, abs=0.3)
    assert len(found) > 16
    for text, begin in found.items():
        assert any(word.text == text and abs(word.begin_ms - begin) < 180 for word in words)
