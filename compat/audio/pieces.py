"""Cutting long audio at pauses, in one pass with constant memory. For the worker process only."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from compat.audio import sniff
from compat.audio.quiet import quietest
from compat.audio.sizes import RATE
from compat.transcript import Media

if TYPE_CHECKING:
    from pydub import AudioSegment

_SILENCE = 200  # ms: shorter pauses occur inside words
_PAUSE = 120  # ms: a pause between phrases
_BLIP = 80  # ms: anything shorter is not a word
_STEP = 10  # ms
_BELOW = 16  # dB below the loudness of the surrounding speech is silence


class Piece(msgspec.Struct, frozen=True):
    """A piece that begins `start` seconds into the audio. `voiced` holds the (start, end) of the sound between pauses,
    in seconds from the start of the whole audio; empty unless requested."""

    start: float
    media: Media
    voiced: tuple[tuple[float, float], ...] = ()


def split(path: Path, folder: Path, *, longest: float = 120.0, voiced: bool = False) -> Iterator[Piece]:
    """Write a file's audio into `folder` as 16 kHz mono FLAC, in pieces of at most `longest` seconds.

    Yields each piece as soon as it is written. The pieces contain every sample exactly once. Raises BadAudio if the
    file cannot be decoded.
    """
    from compat.audio.decode import pcm  # loads FFmpeg's libraries, which only the worker process needs
    from compat.audio.encode import encoder, written

    start = 0
    for number, piece in enumerate(cut(pcm(path, RATE), longest=longest)):
        target = folder / f"{number:05}.flac"
        with encoder(target, sniff.FLAC) as into:
            into.feed(piece)
        spans = between_pauses(piece) if voiced else []
        yield Piece(
            start / RATE,
            written(target, sniff.FLAC, len(piece) // 2),
            tuple((start / RATE + begin, start / RATE + end) for begin, end in spans),
        )
        start += len(piece) // 2


def cut(sound: Iterable[bytes], *, longest: float) -> Iterator[bytes]:
    """Cut 16 kHz mono s16le, in portions of any size, into pieces of at most `longest` seconds."""
    most = 2 * round(longest * RATE)
    held = bytearray()
    for portion in sound:
        held += portion
        while len(held) > most:
            place = 2 * _place(bytes(held[:most]), longest)
            yield bytes(held[:place])
            del held[:place]
    if held:
        yield bytes(held)


def _place(window: bytes, longest: float) -> int:
    """Return the sample to cut at: the middle of the longest silence in the last quarter, else in the second half, else
    of the quietest 20 ms of the second half."""
    whole = len(window) // 2
    for first in (whole - whole // 4, whole // 2):
        silences = [
            (end - start, (start + end) / 2) for start, end in _silences(_segment(window[2 * first :]), _SILENCE)
        ]
        if silences:
            return first + round(max(silences)[1] * RATE / 1000)
    return quietest(window, RATE, earliest=longest / 2, latest=longest)


def between_pauses(piece: bytes) -> list[tuple[float, float]]:
    """Return the (start, end), in seconds, of each span between pauses in 16 kHz mono s16le. Silence at either end is
    excluded even if shorter than a pause, because a cut may have shortened it."""
    sound = _segment(piece)
    from pydub.silence import detect_leading_silence  # after _segment has imported pydub without its warnings

    least = sound.dBFS - _BELOW
    first = detect_leading_silence(sound, least, _STEP)
    last = len(sound) - detect_leading_silence(sound.reverse(), least, _STEP)
    pauses = [[0, first], *_silences(sound, _PAUSE), [last, len(sound)]]
    spans = [(before[1], after[0]) for before, after in pairwise(pauses)]
    return [(begin / 1000, end / 1000) for begin, end in spans if end - begin >= _BLIP]


def _segment(pcm: bytes) -> AudioSegment:
    with (
        warnings.catch_warnings()
    ):  # pydub warns of a missing ffmpeg command and of audioop's removal; neither matters here
        warnings.simplefilter("ignore")
        from pydub import AudioSegment
    return AudioSegment(data=pcm, sample_width=2, frame_rate=RATE, channels=1)


def _silences(sound: AudioSegment, least: int) -> list[list[int]]:
    """Return the start and end, in ms, of each silence of at least `least` ms."""
    from pydub.silence import detect_silence

    silences: list[list[int]] = detect_silence(sound, least, sound.dBFS - _BELOW, _STEP)
    return silences
