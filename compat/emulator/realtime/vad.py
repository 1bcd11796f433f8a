"""Voice activity detection by peak level, which suffices for clean speech and tones.

`threshold` in [-1, 1] is a peak of -48 to -20 dBFS, -31 at the default of 0.2. Times are positions in the audio.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec

from compat.emulator.sound import BYTES_PER_MS

HOP_MS: Final = 20
PREFIX_MS: Final = 300  # kept from before the first loud hop, for a soft beginning
_HOP: Final = HOP_MS * BYTES_PER_MS
_ONSET: Final = 2  # loud hops in a row
ONSET_MS: Final = _ONSET * HOP_MS  # from SpeechBegan.at_ms to the end of the first SpeechAudio
_STRIDE: Final = 3  # samples between two that are measured


class SpeechBegan(msgspec.Struct, frozen=True):
    at_ms: int


class SpeechAudio(msgspec.Struct, frozen=True):
    """Audio of the open turn."""

    pcm: bytes


class SpeechEnded(msgspec.Struct, frozen=True):
    """`at_ms`: when the silence reached its configured duration."""

    at_ms: int


VadChange: TypeAlias = SpeechBegan | SpeechAudio | SpeechEnded


class Vad:
    def __init__(self, threshold: float, silence_ms: int) -> None:
        self._level = round(32_768 * 10 ** ((-34 + 14 * threshold) / 20))
        self._silence = silence_ms // HOP_MS
        self._held = b""
        self._before: deque[bytes] = deque(maxlen=PREFIX_MS // HOP_MS + _ONSET)
        self._hops = 0
        self._speaking = False
        self._run = 0  # loud hops before a turn, quiet hops within it

    def feed(self, pcm: bytes) -> Iterator[VadChange]:
        """Yield the changes in 16 kHz PCM. The result does not depend on how the audio is split."""
        self._held += pcm
        whole = len(self._held) // _HOP * _HOP
        hops, self._held = self._held[:whole], self._held[whole:]
        begin = 0
        for at in range(0, whole, _HOP):
            self._hops += 1
            loud = self._loud(hops[at : at + _HOP])
            if self._speaking:
                self._run = 0 if loud else self._run + 1
                if self._run >= self._silence:
                    yield SpeechAudio(hops[begin : at + _HOP])
                    yield self._stop()
                continue
            self._before.append(hops[at : at + _HOP])
            self._run = self._run + 1 if loud else 0
            if self._run == _ONSET:
                yield from self._start()
                begin = at + _HOP
        if self._speaking and begin < whole:
            yield SpeechAudio(hops[begin:])

    def flush(self) -> Iterator[VadChange]:
        """End the open turn at the end of the audio."""
        if self._speaking:
            yield SpeechAudio(self._held)
            yield self._stop()
        self._held = b""

    def _loud(self, hop: bytes) -> bool:
        samples = memoryview(hop).cast("h")[::_STRIDE]
        return max(samples) >= self._level or -min(samples) >= self._level

    def _start(self) -> Iterator[VadChange]:
        self._speaking, self._run = True, 0
        yield SpeechBegan((self._hops - _ONSET) * HOP_MS)
        yield SpeechAudio(b"".join(self._before))
        self._before.clear()

    def _stop(self) -> SpeechEnded:
        self._speaking, self._run = False, 0
        return SpeechEnded(self._hops * HOP_MS)
