"""Decodes media files to 16 kHz mono signed 16-bit little-endian PCM, in blocks.

Reads the sound track that FFmpeg selects, skips damaged packets and fills the gaps that a recorder left with silence.
Raises only BadSound: the file is not media, has no sound track, or no packet can be decoded.
"""

from __future__ import annotations

import contextlib
import mmap
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

RATE = 16_000  # samples a second
BYTES_PER_MS = RATE * 2 // 1000
_BLOCK = RATE * 2  # bytes: one second
_MAX_FAILURES = 20  # of a demuxer
_TIMED = ("matroska", "mov,", "flv")  # containers in which gaps in the timestamps are pauses
_HOLE = (0.1, 3600.0)  # seconds
_FIRST = re.compile(rb"OggS\0[\2\6]")  # an Ogg page that begins a stream
_PAGE = 27  # bytes of its header; the last is the number of segments
_LINKS = 1000  # of one chained file

_Part: TypeAlias = tuple[int, int] | None
"""First byte and end; None for the whole file."""


class BadSound(Exception):
    """The file cannot be decoded; the message is FFmpeg's where it has one."""


def read(path: Path, *, channel: int | None = None) -> Iterator[bytes]:
    """The default sound track in blocks of one second, the last one shorter. `channel` (from 0): only this one.

    Raises BadSound.
    """
    yield from _blocks(_decoded_blocks(path, channel))


def duration(path: Path) -> float | None:
    """Return the seconds, measured from the packets rather than the header; None when the file is not audio."""
    seconds = 0.0
    for part in _links(path):
        with contextlib.suppress(BadSound), opened(path, part) as (container, stream):
            seconds += sum(_lengths(container, stream))
    return round(seconds, 6) or None  # before it is rounded up for billing


@contextlib.contextmanager
def opened(path: Path, part: _Part = None) -> Iterator[tuple[InputContainer, AudioStream]]:
    address = "subfile,,start,{},end,{},,:file:{}".format(*part, path) if part else str(path)
    try:
        with av.open(address, options={"protocol_whitelist": "file,subfile"}, metadata_errors="ignore") as container:
            stream = container.streams.best("audio")
            if not isinstance(stream, AudioStream) or stream.codec_context is None:
                raise BadSound("there is no sound track")
            yield container, stream
    except (av.FFmpegError, ValueError) as exc:
        raise BadSound(str(exc)) from exc


def _links(path: Path) -> list[_Part]:
    """Return the links of a chained Ogg file (RFC 3533 §4): FFmpeg stops at a link that differs from the last. The
    pages that begin the streams of one link are adjacent."""
    if not path.is_file() or path.stat().st_size < _PAGE:
        return [None]
    begins, behind = [], -1
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for match in _FIRST.finditer(data) if data[:4] == b"OggS" else ():
            at = match.start()
            if at != behind:
                begins.append(at)
            laced = data[at + _PAGE : at + _PAGE + sum(data[at + _PAGE - 1 : at + _PAGE])]
            behind = at + _PAGE + len(laced) + sum(laced)
        return list(pairwise([*begins[:_LINKS], len(data)])) if len(begins) > 1 else [None]


def _decoded_blocks(path: Path, channel: int | None) -> Iterator[bytes]:
    trouble: BadSound | None = None
    decoded = False
    for part in _links(path):
        try:
            with opened(path, part) as (container, stream):
                for piece in _resampled(container, stream, channel):
                    decoded = decoded or bool(piece)
                    yield piece
        except BadSound as exc:
            trouble = exc
    if trouble is not None and not decoded:
        raise trouble


def _resampled(container: InputContainer, stream: AudioStream, channel: int | None) -> Iterator[bytes]:
    if channel is not None and not 0 <= channel < stream.channels:
        raise BadSound(f"there is no channel {channel}")
    resampler, kind = None, None
    for frame, hole in _frames(container, stream):
        yield from _silence(hole)
        if frame is None:
            continue
        if resampler is None or (frame.format.name, frame.layout.name, frame.sample_rate) != kind:
            if resampler is not None:
                yield from (_samples(out, channel) for out in resampler.resample(None))
            resampler = av.AudioResampler(format="s16", layout="mono" if channel is None else None, rate=RATE)
            kind = frame.format.name, frame.layout.name, frame.sample_rate
        frame.pts = None
        yield from (_samples(out, channel) for out in resampler.resample(frame))
    if resampler is None:
        raise BadSound("no packet can be decoded")
    yield from (_samples(out, channel) for out in resampler.resample(None))


def _silence(seconds: float) -> Iterator[bytes]:
    left = 2 * round(seconds * RATE)
    while left > 0:
        yield bytes(min(left, _BLOCK))
        left -= _BLOCK


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[tuple[AudioFrame | None, float]]:
    """Yield decoded frames, each with the seconds of the gap before it; None at the end.

    Gaps are found from decoded samples, because an MP4 packet lasts until the next one.
    """
    pauses, expected, hole = container.format.name.startswith(_TIMED), None, 0.0
    for packet in _packets(container, stream):
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            if stream.codec_context.name.startswith("amr"):  # comfort noise, which FFmpeg does not decode (RFC 4867)
                hole += _length(packet)
            expected = None
            continue
        for frame in decoded:
            begin = None if frame.pts is None else float(frame.pts * (frame.time_base or 0))
            if pauses and begin is not None and expected is not None and _HOLE[0] < begin - expected < _HOLE[1]:
                hole += begin - expected
            yield frame, hole
            hole, expected = 0.0, None if begin is None else begin + frame.samples / (frame.sample_rate or RATE)
    yield None, hole


def _lengths(container: InputContainer, stream: AudioStream) -> Iterator[float]:
    """Yield the duration of each packet with the gap before it."""
    pauses, expected = container.format.name.startswith(_TIMED), None
    for packet in _packets(container, stream):
        length = _length(packet)
        begin = None if packet.pts is None else packet.pts * float(packet.time_base or 0)
        hole = begin - expected if begin is not None and expected is not None else 0.0
        yield length + (hole if pauses and _HOLE[0] < hole < _HOLE[1] else 0.0)
        expected = begin + length if begin is not None else expected


def _length(packet: Packet[AudioStream]) -> float:
    return 0.0 if packet.is_discard else (packet.duration or 0) * float(packet.time_base or 0)


def _packets(container: InputContainer, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
    for _ in range(_MAX_FAILURES):
        try:
            yield from container.demux(stream)
        except av.FFmpegError:
            continue
        return


def _samples(frame: av.AudioFrame, channel: int | None) -> bytes:
    width = 1 if channel is None else len(frame.layout.channels)
    packed = memoryview(frame.planes[0])[: frame.samples * 2 * width]  # the plane may be longer than its samples
    return packed.cast("h")[channel or 0 :: width].tobytes()


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= _BLOCK:
            yield bytes(held[:_BLOCK])
            del held[:_BLOCK]
    if held:
        yield bytes(held)
