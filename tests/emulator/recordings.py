"""Audio files for tests: PCM as WAV, or in any container that FFmpeg writes."""

from __future__ import annotations

import wave
from pathlib import Path

import av


def wav(path: Path, pcm: bytes, *, rate: int = 16_000, channels: int = 1) -> Path:
    """`pcm`: signed 16-bit little-endian, interleaved."""
    with wave.open(str(path), "wb") as out:
        out.setparams((channels, 2, rate, 0, "NONE", ""))
        out.writeframes(pcm)
    return path


def interleaved(*channels: bytes) -> bytes:
    views = [memoryview(channel).cast("h") for channel in channels]
    out = memoryview(bytearray(sum(map(len, channels)))).cast("h")
    for number, view in enumerate(views):
        out[number :: len(views)] = view
    return out.tobytes()


def encoded(source: Path, path: Path, codec: str, *, rate: int = 48_000, bit_rate: int | None = None) -> Path:
    """Mono, except Vorbis: FFmpeg's own encoder for that knows only stereo."""
    layout = "stereo" if codec == "vorbis" else "mono"
    with av.open(str(source)) as given, av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, layout=layout, options={"strict": "experimental"})
        assert isinstance(stream, av.AudioStream)
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate, frame_size=stream.frame_size)
        for frame in [*given.decode(audio=0), None]:
            for ready in resampler.resample(frame):
                out.mux(stream.encode(ready))
        out.mux(stream.encode(None))
    return path
