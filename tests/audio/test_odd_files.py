"""Damaged and unusual files: the duration is that of the decodable audio, and all of it is transcribed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import pytest
import srt

from compat.audio.decode import pcm
from compat.audio.probe import header, measure
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.errors import BadAudio
from compat.transcript import Media
from tests.audio.odd import CONTAINERS, GSM, ODDITIES, WRONG, piped, speex, written
from tests.running import running_server

WORDS = lay(VOCABULARY[:12])
SAID = [word.text for word in WORDS]
WHOLE = [name for name in ODDITIES if name.endswith(("written", "front", "behind", "chunk"))]
MP4 = {name for name in CONTAINERS if CONTAINERS[name].muxer in ("ipod", "mp4", "mov", "3gp")}
UNPIPED = MP4 - {"mp4-fragments"}  # FFmpeg's muxer refuses
HEADLESS = {"mpegts", "m2ts", "mpeg", "mp2", "aac", "latm", "ac3"} | {
    name for name, recipe in CONTAINERS.items() if recipe.codec == "libmp3lame" and recipe.muxer in ("mp3", "wav")
}
# All files that are rejected on purpose; docs/run/limits.md gives the reasons.
REFUSED = {
    "first half": MP4 - {"m4a-faststart", "mp4-fragments"} | {"wv"},
    "second half": set(CONTAINERS) - HEADLESS,
}
FIRST = {"wv", "tta"}  # only the first of concatenated files is read


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("shelf")
    rates = {name: 8000 if "amr" in recipe.codec else 16_000 for name, recipe in CONTAINERS.items()}
    sounds = {rate: encode(WORDS, rate=rate) for rate in set(rates.values())}
    return {name: written(name, sounds[rates[name]], rates[name], folder) for name in CONTAINERS}


def alone(path: Path) -> float:
    """Return the seconds of a file that FFmpeg alone decodes."""
    seconds = 0.0
    with contextlib.suppress(av.FFmpegError, IndexError), av.open(str(path), metadata_errors="ignore") as container:
        for packet in container.demux(audio=0):
            with contextlib.suppress(av.FFmpegError):
                seconds += sum(frame.samples / frame.sample_rate for frame in packet.decode())
    return seconds


@pytest.fixture(scope="module")
def lengths(shelf: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[float, str]]:
    """Return the seconds of each whole file that FFmpeg alone decodes, and its container."""
    path = tmp_path_factory.mktemp("whole") / "whole"
    return {name: (alone(path), measure(path).container) for name in shelf if path.write_bytes(shelf[name])}


def heard(path: Path) -> list[str]:
    return words(pcm(path))


def words(sound: Iterable[bytes]) -> list[str]:
    return [word.text for sentence in Tones().recognise(sound) for word in sentence.words]


def measured(path: Path) -> Media:
    """Return what the server would use, after checking that `header` and `measure` agree."""
    quick, full = header(path), measure(path)
    if quick is None:
        return full
    assert quick.duration == pytest.approx(full.duration, abs=0.1)
    assert (quick.container, quick.rate, quick.channels) == (full.container, full.rate, full.channels)
    return quick


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("oddity", ODDITIES)
def test_the_length_is_what_decodes(
    shelf: dict[str, bytes], lengths: dict[str, tuple[float, str]], tmp_path: Path, name: str, oddity: str
) -> None:
    path = tmp_path / "odd"
    path.write_bytes(ODDITIES[oddity](shelf[name]))
    if name in REFUSED.get(oddity, ()):
        with pytest.raises(BadAudio, match=r"damaged or truncated|not audio|cannot be decoded"):
            measured(path)
        return
    whole, container = lengths[name]
    kept = oddity in WHOLE and (name, oddity) != ("latm", "junk in front")  # FFmpeg loses a second to the junk
    expected = whole if kept else alone(path)
    if oddity == "joined with itself" and name not in FIRST:
        expected = max(expected, 2 * whole)
    media, sound = measured(path), list(pcm(path))

    assert media.duration == pytest.approx(expected or 3.64 / 2, abs=0.2)
    assert media.container == container or "wav-mp3" == name
    if kept:
        assert words(sound)[: len(SAID)] == SAID  # AU states no end, so a tag decodes as a click
        assert media.promised is None
    assert sum(map(len, sound)) / 32_000 == pytest.approx(media.duration, abs=0.2)


@pytest.mark.parametrize(
    "names",
    [("wav", "wav-ima", "wav-alaw"), ("wav-adpcm", "rf64"), ("m4a", "m4a-alac"), ("mov", "mp4"), ("flv", "flv-aac")],
)
def test_concatenated_files_may_differ_in_format(
    shelf: dict[str, bytes], tmp_path: Path, names: tuple[str, ...]
) -> None:
    path = tmp_path / "odd"
    path.write_bytes(b"".join(shelf[name] for name in names))
    media = measured(path)

    assert media.duration == pytest.approx(3.64 * len(names), abs=0.3)
    assert (media.promised, media.clean) == (None, False)
    assert heard(path) == SAID * len(names)


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name not in UNPIPED])
def test_files_written_to_a_pipe_without_sizes(tmp_path: Path, name: str) -> None:
    path = tmp_path / "odd"
    rate = 8000 if "amr" in CONTAINERS[name].codec else 16_000
    path.write_bytes(piped(name, encode(WORDS, rate=rate), rate))
    assert measured(path).duration == pytest.approx(3.64, abs=0.2)
    assert measured(path).promised is None
    assert heard(path) == SAID


@pytest.mark.parametrize("what", WRONG)
def test_wrong_numbers_in_headers(shelf: dict[str, bytes], tmp_path: Path, what: str) -> None:
    name, lie = WRONG[what]
    path = tmp_path / "odd"
    path.write_bytes(lie(shelf[name]))

    assert measured(path).duration == pytest.approx(3.64, abs=0.2)
    assert heard(path) == SAID


@pytest.mark.parametrize(("content", "container"), [(GSM, "gsm"), (speex(3.64), "ogg")])
def test_codecs_that_ffmpeg_cannot_encode(tmp_path: Path, content: bytes, container: str) -> None:
    path = tmp_path / "odd"
    path.write_bytes(content)

    media = measure(path)

    assert container == media.container
    assert media.duration == pytest.approx(3.64, abs=0.02)


PAIRS = [(name, list(ODDITIES)[number % len(ODDITIES)]) for number, name in enumerate(CONTAINERS)]
ACCEPTED = [(name, oddity) for name, oddity in PAIRS if name not in REFUSED.get(oddity, ())]
Answers = dict[tuple[str, str], tuple[Any, ...]]


@pytest.fixture(scope="module")
def answers(shelf: dict[str, bytes]) -> Answers:
    """Request json, verbose_json and srt for all files in parallel, because file tasks take long."""
    with running_server(Tones()) as server, ThreadPoolExecutor(12) as pool:
        create = server.client().audio.transcriptions.create

        def answer(name: str, oddity: str, form: Any) -> Any:  # noqa: ANN401 - depends on the format
            file = ("odd", ODDITIES[oddity](shelf[name]))
            return pool.submit(create, model="whisper-1", file=file, response_format=form)

        pending = {each: [answer(*each, form) for form in ("json", "verbose_json", "srt")] for each in ACCEPTED}
        return {each: tuple(future.result() for future in futures) for each, futures in pending.items()}


@pytest.mark.parametrize(("name", "oddity"), ACCEPTED)
def test_every_format_gives_the_same_words(
    answers: Answers, shelf: dict[str, bytes], tmp_path: Path, name: str, oddity: str
) -> None:
    path = tmp_path / "odd"
    path.write_bytes(ODDITIES[oddity](shelf[name]))
    plain, verbose, captions = answers[name, oddity]
    cues = list(srt.parse(captions))
    expected = SAID if oddity in WHOLE else heard(path)

    assert len(expected) >= 3
    for text in (plain.text, verbose.text, " ".join(cue.content for cue in cues)):
        assert expected == re.findall(r"[\w<?>]+", text)
    assert verbose.segments is not None
    assert verbose.duration >= verbose.segments[-1].end
    assert verbose.duration == pytest.approx(measured(path).duration, abs=0.2)
    assert all(cue.end.total_seconds() - cue.start.total_seconds() > 0.1 for cue in cues)
