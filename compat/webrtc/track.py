"""The audio of a call on one clock: packets in order, and silence for what is missing.

A packet in order passes at once. Packets behind a gap wait for the missing ones, at most `PATIENCE`; then the gap
becomes silence of its length. While nothing arrives, as with a muted microphone, silence follows the time, `PATIENCE`
behind it, so that turns end. If the sound stopped in the middle of a word, the network has probably stalled: then
silence begins after `STALLED`, because silence in a word splits it, and the packets may still come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from compat.dashscope_api.live import opus
from compat.webrtc.rtp import Packet

RATE: Final = opus.RATE  # samples a second, of Opus' clock
PATIENCE: Final = 0.2  # seconds
STALLED: Final = 1.5  # seconds
STEP: Final = 0.1  # seconds of silence at a time
STEP_SAMPLES: Final = round(STEP * RATE)
JUMP: Final = 2 * RATE
"""Time stamps that go further than this beyond the time are of a new clock."""
MOST: Final = 100  # packets that wait behind a gap


class Silence(msgspec.Struct, frozen=True):
    samples: int


Part: TypeAlias = bytes | Silence
"""An Opus packet, or silence."""


class CallTrack:
    """Times are in seconds on one clock. `lost` counts packets that did not arrive in time, and `late` those that
    arrived after that or twice. `speaking` tells whether the last packet may end in the middle of a word."""

    def __init__(self, speaking: Callable[[], bool] = lambda: False) -> None:
        self.lost = self.late = 0
        self._speaking = speaking
        self._source: int | None = None
        self._next = 0
        """The number of the next packet."""
        self._stamp = 0
        """The time stamp at which the audio so far ends."""
        self._waiting: dict[int, tuple[Packet, float]] = {}
        """Packets behind a gap, by number, with their time of arrival."""
        self._arrived = 0.0
        """When the last packet arrived."""
        self._origin: float | None = None
        """The time at which the audio begins; None before the first packet."""
        self._samples = 0
        """Samples of audio so far."""
        self._ahead = 0
        """Samples of silence beyond the time stamps."""
        self._paused = False
        """Whether silence was filled in since the last packet."""

    def feed(self, packet: Packet, now: float) -> list[Part]:
        """Take a packet that arrived now. Return what follows in order."""
        parts: list[Part] = []
        if packet.source != self._source:
            while self._waiting:
                parts += self._give_up(now)
            self._source, self._next, self._stamp = packet.source, packet.number, packet.stamp
        behind = (packet.number - self._next) & 0xFFFF
        if behind >= 0x8000 or packet.number in self._waiting:
            self.late += 1
        elif behind:
            self._waiting[packet.number] = packet, now
            if len(self._waiting) >= MOST:
                parts += self._give_up(now)
        else:
            parts += self._through(packet, now)
            if self._waiting:
                parts += self._released(now)
        return parts

    def tick(self, now: float) -> list[Part]:
        """Return what is due by now. Call it every `STEP`."""
        parts: list[Part] = []
        if self._waiting:
            while self._waiting and now >= self._oldest + PATIENCE:
                parts += self._give_up(now)
            return parts
        while self._origin is not None and self._missing(now):
            parts.append(self._silence(STEP_SAMPLES))
            self._ahead += STEP_SAMPLES
            self._paused = True
        return parts

    def _missing(self, now: float) -> bool:
        """Whether a step of silence is due."""
        waited = now - STEP - max(self._arrived, self._end)
        return waited >= PATIENCE and (self._paused or waited >= STALLED or not self._speaking())

    @property
    def _oldest(self) -> float:
        return min(arrived for _, arrived in self._waiting.values())

    @property
    def _end(self) -> float:
        """The time up to which there is audio."""
        return (self._origin or 0.0) + self._samples / RATE

    def _silence(self, samples: int) -> Silence:
        self._samples += samples
        return Silence(samples)

    def _through(self, packet: Packet, now: float) -> list[Part]:
        """Return the packet, after silence for what its time stamp leaves out. A browser's time stamps do not count a
        pause of its microphone; then silence fills the rest of the time."""
        samples = opus.samples(packet.payload)
        began = now - samples / RATE
        self._origin = began if self._origin is None else self._origin
        gap = (packet.stamp - self._stamp) & 0xFFFFFFFF
        if gap > JUMP + self._ahead:
            gap = self._ahead = 0
        silence = gap - self._ahead
        if silence < 0 and self._paused:
            silence = round((began - self._end) * RATE)
        self._ahead = max(self._ahead + max(silence, 0) - gap, 0)
        parts: list[Part] = [self._silence(silence)] if silence > 0 else []
        self._next = (packet.number + 1) & 0xFFFF
        self._stamp = (packet.stamp + samples) & 0xFFFFFFFF
        self._samples += samples
        self._arrived, self._paused = now, False
        return [*parts, packet.payload]

    def _released(self, now: float) -> list[Part]:
        """Return the waiting packets that are in order now."""
        parts: list[Part] = []
        while (waiting := self._waiting.pop(self._next, None)) is not None:
            parts += self._through(waiting[0], now)
        return parts

    def _give_up(self, now: float) -> list[Part]:
        """Wait no longer for the packets before the first that waits."""
        first = min(self._waiting, key=lambda number: (number - self._next) & 0xFFFF)
        self.lost += (first - self._next) & 0xFFFF
        self._next = first
        return self._released(now)
