"""Estimates where turns begin and end, for a service that does not report it.

The event page of `qwen3-livetranslate-flash-realtime` (docs.qwencloud.com, read 2026-11) lists no events of speech,
that of version 3.5 does. A report then says which turn it is about, and not where in the sound that turn is. When it
comes, the speaker may be in the next turn already, which has to be sent again if the connection breaks.
"""

from __future__ import annotations

from collections.abc import Callable

from compat.audio import quiet
from compat.bridge.limits import TICKS, TICKS_A_MS
from compat.bridge.replay import AudioChunk, ReplayBuffer

_LOOKED = 10 * TICKS
"""Of longer sound, only the end is looked at: a turn is reported sooner than this after it has begun."""
_PAUSE = 0.4
"""Seconds. The service is asked to end a turn after 0.5 s of silence."""
_MARGIN = 200 * TICKS_A_MS
"""Speech may begin more quietly than it goes on."""


class Pauses:
    """`rate` returns the sample rate of the sound, in Hz."""

    def __init__(self, replay: ReplayBuffer, rate: Callable[[], int]) -> None:
        self._replay = replay
        self._rate = rate

    def beginnings(self, start: int, end: int) -> list[int]:
        """Where speech begins between two positions, as far as the sound is kept. `start`, if it goes on before that
        sound."""
        first = max(start, end - _LOOKED)
        kept: list[AudioChunk] = []
        for entry in reversed(self._replay.past):
            if isinstance(entry, AudioChunk):
                if entry.end <= first or entry.packet or (kept and entry.end != kept[-1].tick):
                    break
                kept.append(entry)
        if not kept or kept[0].end != end:
            return []
        kept.reverse()
        found = quiet.beginnings(b"".join(sound.data for sound in kept), self._rate(), _PAUSE)
        places = [kept[0].tick + at * TICKS // self._rate() - _MARGIN for at in found]
        return [max(start, place) if at else start for at, place in zip(found, places, strict=True)]
