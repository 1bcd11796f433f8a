"""Cutting into pieces: no sample is lost, and no word is cut."""

from __future__ import annotations

import random
import sys
import warnings
from itertools import accumulate
from pathlib import Path

import pytest

from compat.audio.pieces import between_pauses, cut, split
from compat.audio.sizes import RATE
from compat.errors import BadAudio
from tests.audio.media import make, samples, silence, tone

PAUSES = [3.0, 7.2, 11.9, 14.0, 22.0, 25.5]  # 400 ms each
SPOKEN = 30.0


def speech() -> bytes:
    """Return a tone with pauses at PAUSES."""
    pcm = bytearray(tone(SPOKEN))
    for second in PAUSES:
        first = 2 * round(second * RATE)
        pcm[first : first + 12_800] = silence(0.4)
    return bytes(pcm)


def portions(pcm: bytes, seed: int = 1) -> list[bytes]:
    rnd, at, cuts = random.Random(seed), 0, []  # noqa: S311 - no secret
    while at < len(pcm):
        size = 2 * rnd.randrange(1, 40_000)
        cuts.append(pcm[at : at + size])
        at += size
    return cuts


@pytest.mark.parametrize("longest", [6.0, 10.0, 13.0, 120.0])
def test_pieces_contain_every_sample_once(longest: float) -> None:
    pieces = list(cut(portions(speech()), longest=longest))

    assert speech() == b"".join(pieces)
    assert max(len(piece) for piece in pieces) <= 2 * RATE * longest


def test_cuts_are_in_the_pauses() -> None:
    places = [place / 2 / RATE for place in accumulate(len(piece) for piece in cut([speech()], longest=10.0))]

    assert [7.4, 14.2, 22.2, SPOKEN] == pytest.approx(places, abs=0.02)


@pytest.mark.parametrize(
    ("pauses", "at"),
    [
        pytest.param([(5.2, 0.3), (6, 1)], 6.5, id="the longest of the second half"),
        pytest.param([(5, 2), (7.8, 0.4), (8.5, 0.6)], 8.8, id="the longest of the last quarter first"),
    ],
)
def test_the_choice_of_the_pause_to_cut_at(pauses: list[tuple[float, float]], at: float) -> None:
    pcm = bytearray(tone(12))
    for begin, seconds in pauses:
        place = 2 * round(RATE * begin)
        pcm[place : place + len(silence(seconds))] = silence(seconds)

    assert len(next(cut([bytes(pcm)], longest=10))) == pytest.approx(2 * RATE * at, abs=640)


def test_without_a_pause_the_quietest_point_is_cut() -> None:
    pcm = tone(7) + tone(0.04, level=0.2) + tone(5)

    assert len(next(cut([pcm], longest=10))) == pytest.approx(2 * RATE * 7.02, abs=960)


@pytest.mark.parametrize(
    ("pcm", "spans"),
    [
        pytest.param(tone(1.0), [(0.0, 1.0)], id="no pause"),
        pytest.param(silence(0.5) + tone(0.5) + silence(0.2) + tone(1.0), [(0.5, 1.0), (1.2, 2.2)], id="two phrases"),
        pytest.param(tone(0.5) + silence(0.1) + tone(0.4) + silence(0.5), [(0.0, 1.0)], id="too short for a pause"),
        pytest.param(tone(1.0) + silence(0.5) + tone(0.05) + silence(0.5), [(0.0, 1.0)], id="a click"),
        pytest.param(silence(1.0), [], id="silence"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_spans_between_pauses(pcm: bytes, spans: list[tuple[float, float]]) -> None:
    actual = between_pauses(pcm)

    assert len(spans) == len(actual)
    for expected, span in zip(spans, actual, strict=True):
        assert expected == pytest.approx(span, abs=0.02)


@pytest.mark.parametrize("pcm", [silence(25), b"", tone(0.01)], ids=["silence", "nothing", "a blip"])
def test_silence_and_very_short_audio_are_kept(pcm: bytes) -> None:
    assert pcm == b"".join(cut([pcm], longest=10))


@pytest.mark.parametrize("container", ["wav", "mp3", "opus", "flac"])
def test_a_file_is_split(tmp_path: Path, container: str) -> None:
    path = make(container, speech(), RATE, 1, tmp_path / "whole")
    pieces = list(split(path, tmp_path, longest=10.0))
    decoded = [samples(piece.media.path) for piece in pieces]

    assert [0.0, 7.4, 14.2, 22.2] == pytest.approx([piece.start for piece in pieces], abs=0.06)
    for piece, pcm in zip(pieces, decoded, strict=True):
        media = piece.media
        assert ("flac", ".flac", "audio/flac", RATE, 1) == (
            media.container, media.suffix, media.mime, media.rate, media.channels,
        )  # fmt: skip
        assert media.duration == len(pcm) / RATE
        assert media.size == media.path.stat().st_size
        assert piece.start == pytest.approx(sum(len(before) for before in decoded[: decoded.index(pcm)]) / RATE)
    assert samples(path) == sum(decoded[1:], decoded[0])


def test_voiced_spans_have_times_of_the_whole_audio(tmp_path: Path) -> None:
    pieces = list(split(make("wav", speech(), RATE, 1, tmp_path / "whole"), tmp_path, longest=10.0, voiced=True))

    spans = [span for piece in pieces for span in piece.voiced]
    begins = [0.0, *(second + 0.4 for second in PAUSES)]
    assert list(zip(begins, [*PAUSES, SPOKEN], strict=True)) == [pytest.approx(span, abs=0.03) for span in spans]


def test_pieces_are_written_one_at_a_time(tmp_path: Path) -> None:
    pieces = split(make("wav", speech(), RATE, 1, tmp_path / "whole"), tmp_path, longest=10.0)
    next(pieces)

    assert 1 == len(list(tmp_path.glob("*.flac")))


def test_a_file_that_is_not_audio_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no audio at all")

    with pytest.raises(BadAudio):
        list(split(tmp_path / "a", tmp_path))


def test_pydub_s_warnings_are_suppressed(capfd: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pydub"]:
        del sys.modules[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(cut([silence(12)], longest=10))

    assert [] == caught
    assert ("", "") == tuple(capfd.readouterr())
