"""Decodes the audio of a task, in frames of any size, to 16 kHz PCM."""

from __future__ import annotations

from typing import Protocol

from compat.emulator.inference.messages import TaskFailure
from compat.emulator.realtime.audio_input import intake


class AudioDecoder(Protocol):
    """Raises TaskFailure for audio that cannot be decoded."""

    def feed(self, audio: bytes) -> bytes: ...

    def flush(self) -> bytes:
        """The rest, at the end of the audio."""


def decoder(kind: str, rate: int) -> AudioDecoder:
    """`kind`: one of parameters.FORMATS."""
    if kind == "pcm":
        return _PlainPcm(rate)
    raise TaskFailure("UNSUPPORTED_FORMAT", "not yet")


class _PlainPcm:
    def __init__(self, rate: int) -> None:
        self._intake = intake("pcm", rate)

    def feed(self, audio: bytes) -> bytes:
        return self._intake.feed(audio)

    def flush(self) -> bytes:
        return b""
