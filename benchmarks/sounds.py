"""Audio files for uploads."""

from __future__ import annotations

import os
import struct
import wave
from io import BytesIO
from pathlib import Path

import av

from benchmarks.processes import FOLDER
from compat.emulator import sample

MIB = 1 << 20


def noise(size: int, rate: int = 16000, channels: int = 1) -> bytes:
    """Return a WAV file of the given size with noise, which the stubs do not recognise anyway."""
    return _wav(os.urandom((size - 44) // (2 * channels) * 2 * channels), rate, channels)


def speech(seconds: int, rate: int = 16000, channels: int = 1) -> bytes:
    """Return a WAV file that repeats the sample."""
    resampler = av.AudioResampler("s16", {1: "mono", 2: "stereo"}[channels], rate)
    with av.open(str(sample.path())) as source:
        frames = [each for frame in source.decode(audio=0) for each in resampler.resample(frame)]
    pcm = b"".join(bytes(frame.planes[0])[: frame.samples * 2 * channels] for frame in frames)
    size = seconds * rate * 2 * channels
    return _wav((pcm * (size // len(pcm) + 1))[:size], rate, channels)


def long_speech(name: str, seconds: int) -> Path:
    """Write the same at 16 kHz, mono, to disk."""
    path, block = stored(name, _wav(b"", 16000, 1)), speech(60)[44:]
    with path.open("ab") as file:
        for _ in range(seconds // 60):
            file.write(block)
    return _headed(path, path.stat().st_size, 16000, 1)


def silence(path: Path, size: int, rate: int = 48000, channels: int = 2) -> Path:
    """Write a sparse WAV file of the given size."""
    path.touch()
    os.truncate(path, size)
    return _headed(path, size, rate, channels)


def _headed(path: Path, size: int, rate: int, channels: int) -> Path:
    """Prepend the header of a WAV file of the given size."""
    head = bytearray(_wav(b"", rate, channels))
    struct.pack_into("<I", head, 4, size - 8)
    struct.pack_into("<I", head, 40, size - 44)
    with path.open("r+b") as file:
        file.write(head)
    return path


def stored(name: str, content: bytes) -> Path:
    path = FOLDER / "sounds" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _wav(pcm: bytes, rate: int, channels: int) -> bytes:
    target = BytesIO()
    with wave.open(target, "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(pcm)
    return target.getvalue()
