"""Converts the client's audio to a format that the service accepts, and counts its time on one clock."""

from __future__ import annotations

from typing import assert_never

from compat.audio import g711
from compat.audio.resample import Resampler
from compat.bridge import opus
from compat.bridge.limits import TICKS
from compat.bridge.opus import Packets
from compat.openai_api.realtime.session import AudioFormat


class Intake:
    """`position` is the client's clock: ticks of everything appended since the session began. `heard`: ticks of
    everything converted, which is a little behind because of the resampler's delay."""

    def __init__(self, form: AudioFormat, start: int = 0, packets: Packets | None = None) -> None:
        self.form = form
        self.packets = packets or Packets()
        self.rate = 8000 if form.encoding in ("ulaw", "alaw") else 16_000
        self._start = start
        self._samples = 0
        self.heard = start
        self._odd = b""
        self._resampler = self._new()

    @property
    def position(self) -> int:
        return self._start + self._samples * TICKS // self.form.rate

    def parts(self, piece: bytes) -> list[bytes]:
        """Split a piece of an append into units for `feed`: Opus into packets. Raises BadRequest if it is not Opus."""
        return self.packets.feed(piece) if self.form.encoding == "opus" else [piece]

    def feed(self, data: bytes) -> bytes:
        """Returns what is ready to be sent; the resampler keeps its last millisecond until more comes or `flush`."""
        out = self._convert(data)
        self.heard += self.ticks(out)
        return out

    def _convert(self, data: bytes) -> bytes:
        match self.form.encoding:
            case "pcm":
                return self._resample(data)
            case "ulaw":
                self._samples += len(data)
                return g711.from_ulaw(data)
            case "alaw":
                self._samples += len(data)
                return g711.from_alaw(data)
            case "opus":
                self._samples += opus.ticks(data)
                return data
            case _:
                assert_never(self.form.encoding)

    def flush(self) -> bytes:
        """Returns the rest of the turn, without half a sample. The next sound begins a new stream."""
        self._odd = b""
        rest = self._resampler.flush()
        self._resampler = self._new()
        self.heard = self.position
        return rest

    def ticks(self, data: bytes) -> int:
        """The duration of something that `feed` returned."""
        return opus.ticks(data) if self.form.encoding == "opus" else len(data) // 2 * (TICKS // self.rate)

    def _new(self) -> Resampler:
        return Resampler(self.form.rate, 16_000 if self.form.encoding == "pcm" else self.form.rate)

    def _resample(self, data: bytes) -> bytes:
        if self._odd:
            data = self._odd + data
        self._odd = b""
        if len(data) % 2:
            data, self._odd = data[:-1], data[-1:]
        self._samples += len(data) // 2
        return self._resampler.feed(data)
