"""Voice activity detection by peak level. Times are positions in the audio.

`threshold` in [-1, 1] is a peak of -48 to -20 dBFS, -31 at the default of 0.2. With a quiet microphone, where no voice
has been clearly above it for some time, 12 dB less suffice for what stands out from the background. A constant offset,
and noise that has been steady for seconds, are no speech.
"""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec

from compat.emulator.sound import BYTES_PER_MS

HOP_MS: Final = 20
PREFIX_MS: Final = 300  # kept from before the first loud hop, for a soft beginning
_QUIET_PREFIX_MS: Final = 700  # the same for a quiet voice, whose first syllables may be too soft to be noticed
_HOP: Final = HOP_MS * BYTES_PER_MS
_ONSET: Final = 2  # loud hops in a row
_SOFT_ONSET: Final = 5  # hops in a row of a quiet voice
ONSET_MS: Final = _ONSET * HOP_MS  # from SpeechBegan.at_ms to the end of the first SpeechAudio
_STRIDE: Final = 3  # samples between two that are measured
_BASS: Final = 8.0  # the largest step of a sine at 100 Hz, times this, is its peak
_QUIET: Final = 1 / 4  # -12 dB: how much lower the level is for a quiet microphone
_CLEAR: Final = 2.0  # 6 dB above the level: the microphone is not quiet
_PATIENCE: Final = 500  # hops without a clear voice, 10 s, after which it counts as quiet
_AT_FIRST: Final = 425  # of these are taken as past when the audio begins
_STEADY: Final = 2.0  # 6 dB: speech is that far above steady noise
_APART: Final = 4.0  # 12 dB: quiet speech is that far above the background
_BLOCK: Final = 10  # hops
_BLOCKS: Final = 15  # 3 s, in which speech has gaps


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
        self._level = 32_768 * 10 ** ((-34 + 14 * threshold) / 20)
        self._silence = silence_ms // HOP_MS
        self._held = b""
        self._before: deque[bytes] = deque(maxlen=_QUIET_PREFIX_MS // HOP_MS + _ONSET)
        self._hops = 0
        self._speaking = False
        self._run = 0  # hops of a voice before a turn, without one within it
        self._loud_run = 0  # loud hops before a turn
        self._unclear = _AT_FIRST  # hops since the last clear voice
        self._floors: deque[float] = deque([math.inf], maxlen=_BLOCKS)  # the quietest hop of each recent block

    def feed(self, pcm: bytes) -> Iterator[VadChange]:
        """Yield the changes in 16 kHz PCM. The result does not depend on how the audio is split."""
        self._held += pcm
        whole = len(self._held) // _HOP * _HOP
        hops, self._held = self._held[:whole], self._held[whole:]
        begin = 0
        for at in range(0, whole, _HOP):
            self._hops += 1
            peak = self._peak(hops[at : at + _HOP])
            voice = self._is_voice(peak)
            if self._speaking:
                self._run = 0 if voice else self._run + 1
                if self._run >= self._silence:
                    yield SpeechAudio(hops[begin : at + _HOP])
                    yield self._stop()
                continue
            self._before.append(hops[at : at + _HOP])
            self._run = self._run + 1 if voice else 0
            self._loud_run = self._loud_run + 1 if voice and peak >= self._level else 0
            if self._loud_run == _ONSET or self._run == _SOFT_ONSET:
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

    @staticmethod
    def _peak(hop: bytes) -> float:
        """Return the peak, less for sound below 100 Hz and none for a constant offset: voices change faster."""
        samples: list[int] = memoryview(hop).cast("h")[::_STRIDE].tolist()
        steps: list[int] = list(map(operator.sub, samples[1:], samples))
        return min(max(max(samples), -min(samples)), _BASS * max(max(steps), -min(steps)))

    def _is_voice(self, peak: float) -> bool:
        if self._hops % _BLOCK == 0:
            self._floors.append(peak)
        self._floors[-1] = min(self._floors[-1], peak)
        floor = min(self._floors)
        if peak >= self._level:
            voice = len(self._floors) < _BLOCKS or peak >= _STEADY * floor
        else:
            voice = self._unclear >= _PATIENCE and peak >= max(_QUIET * self._level, _APART * floor)
        self._unclear = 0 if voice and peak >= _CLEAR * self._level else self._unclear + 1
        return voice

    def _start(self) -> Iterator[VadChange]:
        loud = self._loud_run == _ONSET
        self._speaking, self._run, self._loud_run = True, 0, 0
        yield SpeechBegan((self._hops - _ONSET) * HOP_MS)
        prefix = PREFIX_MS if loud else _QUIET_PREFIX_MS
        yield SpeechAudio(b"".join(list(self._before)[-(prefix // HOP_MS + _ONSET) :]))
        self._before.clear()

    def _stop(self) -> SpeechEnded:
        self._speaking, self._run = False, 0
        return SpeechEnded(self._hops * HOP_MS)
