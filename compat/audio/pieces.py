"""Cutting long audio where nobody speaks, in one pass and at flat memory: for the worker process only."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from compat.audio import sniff
from compat.audio.decode import pcm
from compat.audio.fit import encoder, written
from compat.audio.quiet import quietest
from compat.transcript import Media

RATE = 16_000
_SILENCE = 200  # ms: shorter pauses stand inside words
_STEP = 10  # ms
_BELOW = 16  # dB under the loudness of the speech around it is silence


def split(path: Path, folder: Path, *, longest: float = 120.0) -> Iterator[tuple[float, Media]]:
    """Write a file's sound into `folder` as 16 kHz mono FLAC, in pieces of at most `longest` seconds.

    Yields each piece's start in the whole, in seconds, as soon as it is written. The pieces join to the whole, sample
    for sample. Raises BadAudio for what cannot be decoded.
    """
    start = 0
    for number, piece in enumerate(cut(pcm(path, RATE), longest=longest)):
        target = folder / f"{number:05}.flac"
        with encoder(target, sniff.FLAC, rate=RATE) as into:
            into.feed(piece)
        yield start / RATE, written(target, sniff.FLAC, RATE, len(piece) // 2)
        start += len(piece) // 2


def cut(sound: Iterable[bytes], *, longest: float) -> Iterator[bytes]:
    """Cut 16 kHz mono s16le, which comes in any portions, into pieces of at most `longest` seconds."""
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
    """The sample to cut at: the middle of the longest silence in the last quarter, else in the later half, else of that
    half's quietest 20 ms."""
    whole = len(window) // 2
    for first in (whole - whole // 4, whole // 2):
        silences = [(end - start, (start + end) / 2) for start, end in _silences(window[2 * first :])]
        if silences:
            return first + round(max(silences)[1] * RATE / 1000)
    return quietest(window, RATE, earliest=longest / 2, latest=longest)


def _silences(sound: bytes) -> list[list[int]]:
    """Start and end of each silence, in ms."""
    with warnings.catch_warnings():  # of a missing ffmpeg command, and of audioop's end, which are no concern here
        warnings.simplefilter("ignore")
        from pydub import AudioSegment
        from pydub.silence import detect_silence
    segment = AudioSegment(data=sound, sample_width=2, frame_rate=RATE, channels=1)
    found: list[list[int]] = detect_silence(segment, _SILENCE, segment.dBFS - _BELOW, _STEP)
    return found
