"""Recordings of twelve hours, cheaply made: one minute's packets again and again."""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from benchmarks.sounds import silence

SECONDS = 12 * 3600
MINUTE = 60


@dataclass(frozen=True)
class Recording:
    """`held`: whether the container tells how long it lasts."""

    name: str
    held: bool
    make: Callable[[Path], object]


def _frames(rate: int, size: int, seconds: int) -> Iterator[AudioFrame]:
    """Noise, s16 mono, in frames of so many samples."""
    frame = AudioFrame(format="s16", layout="mono", samples=size)
    frame.sample_rate = rate
    frame.planes[0].update(os.urandom(size * 2).ljust(frame.planes[0].buffer_size, b"\0"))
    for pts in range(0, seconds * rate, size):
        frame.pts = pts
        yield frame


def _wav(path: Path) -> None:
    silence(path, SECONDS * 48000 + 44, rate=24000, channels=1)


def _flac(path: Path) -> None:
    """Encoded throughout: its frames are numbered."""
    with av.open(str(path), "w", format="flac") as output:
        stream = output.add_stream("flac", rate=16000, layout="mono", format="s16", options={"compression_level": "0"})
        stream.codec_context.open()
        for frame in _frames(16000, stream.codec_context.frame_size, SECONDS):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _looped(codec: str, container: str, rate: int, bit_rate: int, **options: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        with av.open(str(path), "w", format=container) as output:
            stream = output.add_stream(codec, rate=rate, layout="mono", options=options)
            assert isinstance(stream, AudioStream)
            stream.bit_rate = bit_rate
            stream.codec_context.open()
            resampler = av.AudioResampler(stream.codec_context.format, "mono", rate, stream.codec_context.frame_size)
            frames = (each for frame in _frames(rate, rate // 10, MINUTE) for each in resampler.resample(frame))
            packets = [bytes(packet) for frame in frames for packet in stream.encode(frame)]
            step = stream.codec_context.frame_size
            for number, packet in enumerate(itertools.islice(itertools.cycle(packets), SECONDS * rate // step)):
                muxed = av.Packet(packet)
                muxed.stream, muxed.time_base = stream, Fraction(1, rate)
                muxed.pts = muxed.dts = number * step
                muxed.duration = step
                output.mux(muxed)

    return make


def _mp3(*, headed: bool, **options: str) -> Callable[[Path], object]:
    """One minute, and its frames again and again; the header in front counts them all."""

    def make(path: Path) -> None:
        with av.open(str(path), "w", format="mp3", options={"id3v2_version": "0", "write_id3v1": "0"}) as output:
            stream = output.add_stream("mp3", rate=44100, layout="mono", format="s16p", options=options)
            assert isinstance(stream, AudioStream)
            stream.bit_rate = 320_000
            resampler = av.AudioResampler("s16p", "mono", 44100, 1152)
            for frame in _frames(44100, 4410, MINUTE):
                for each in resampler.resample(frame):
                    output.mux(stream.encode(each))
            output.mux(stream.encode(None))
        minute = path.read_bytes()
        mark = max(minute.find(b"Xing"), minute.find(b"Info"))
        assert mark > 0
        start = minute.index(b"\xff\xfb", mark)
        head, frames = minute[:start], minute[start:]
        count = struct.unpack_from(">I", head, mark + 8)[0] * (SECONDS // MINUTE)
        total = len(head) + len(frames) * (SECONDS // MINUTE)
        head = head[: mark + 8] + struct.pack(">II", count, total) + head[mark + 16 :]
        with path.open("wb") as file:
            file.write(head if headed else b"")
            for _ in range(SECONDS // MINUTE):
                file.write(frames)

    return make


RECORDINGS = (
    Recording("wav", True, _wav),
    Recording("flac", True, _flac),
    Recording("m4a (AAC)", True, _looped("aac", "ipod", 44100, 128_000)),
    Recording("mp3, CBR", True, _mp3(headed=True)),
    Recording("mp3, VBR", True, _mp3(headed=True, compression_level="0", abr="1")),
    Recording("mp3 without a header", False, _mp3(headed=False)),
    Recording("ogg (Opus)", True, _looped("libopus", "ogg", 48000, 64_000, frame_duration="60")),
    Recording("webm (Opus)", True, _looped("libopus", "webm", 48000, 64_000, frame_duration="60")),
)
