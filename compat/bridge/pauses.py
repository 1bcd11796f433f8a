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
"""Of a longer turn, only this much is looked at."""
_PAUSE = 0.4
"""Seconds. The service is asked to end a turn after 0.5 s of silence."""
_MARGIN = 200 * TICKS_A_MS
"""Speech may begin more quietly than it goes on."""


class Pauses:
    """`rate` returns the sample rate of the sound, in Hz."""

    def __init__(self, replay: ReplayBuffer, rate: Callable[[], int]) -> None:
        self._replay = replay
        self._rate = rate

    def resumption(self, start: int, end: int, *, ended: bool) -> int | None:
        """Where speech begins again after its last pause between two positions. None if there is no such place, or
        with `ended` if the sound before `end` is a pause."""
        first = max(start, end - _LOOKED)
        sounds = [entry for entry in self._replay.past if isinstance(entry, AudioChunk)]
        kept: list[AudioChunk] = []
        for sound in reversed(sounds):
            if sound.end <= first or sound.packet or (kept and sound.end != kept[-1].tick):
                break
            kept.append(sound)
        if not kept or kept[0].end != end:
            return None
        kept.reverse()
        found = quiet.resumption(b"".join(sound.data for sound in kept), self._rate(), _PAUSE, ended=ended)
        return None if found is None else kept[0].tick + found * TICKS // self._rate() - _MARGIN
