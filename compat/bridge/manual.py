"""A turn that the caller ends, in pieces that the service takes.

Without voice activity detection the service hears at most 60 s as one (guide to real-time speech recognition, 2026-01).
A longer turn is cut where it is quietest between 50 and 57 s, so sound past 50 s is held back until the cut is known.
"""

from __future__ import annotations

from compat.audio.quiet import quietest
from compat.bridge.items import ItemPiece, SpeechItem
from compat.bridge.limits import TICKS, SessionLimits
from compat.bridge.replay import AudioChunk, Barrier, Cut, ReplayBuffer, part
from compat.bridge.turns import TurnBinder


class ManualTurn:
    """`rate` of the PCM in Hz, None for Opus, which is cut between any two packets."""

    def __init__(self, item: SpeechItem, replay: ReplayBuffer, limits: SessionLimits, rate: int | None) -> None:
        self.item = item
        self._replay = replay
        self._rate = rate
        self._piece = ItemPiece(item)
        self._ticks = 0
        self._held: list[AudioChunk] = []
        self._held_ticks = 0
        self._room = round(limits.cut_from * TICKS)
        self._window = round(limits.cut_until * TICKS) - self._room

    def add(self, sound: AudioChunk) -> None:
        if self._ticks + sound.ticks <= self._room and not self._held:
            self._put(sound)
            return
        room = self._room - self._ticks
        if room > 0 and self._rate is not None:
            self._put(part(sound, sound.tick, sound.tick + room))
            sound = part(sound, sound.tick + room, sound.end)
        self._held.append(sound)
        self._held_ticks += sound.ticks
        if self._held_ticks >= self._window:
            self._cut()

    def end(self, tick: int) -> None:
        """The caller commits, at this position."""
        for sound in self._held:
            self._put(sound)
        self._held.clear()
        if self._ticks:
            self._replay.add(Cut(self._piece))
        else:
            self._piece.resolve("")
        self.item.close(tick)

    def leave(self) -> tuple[ItemPiece, list[AudioChunk]]:
        """What is not cut yet, for the service to find turns in: a piece, and those of its sounds not on the tape."""
        return self._piece, self._held

    def _put(self, sound: AudioChunk) -> None:
        sound.assign(self._piece)
        self._replay.add(sound)
        self._ticks += sound.ticks

    def _cut(self) -> None:
        held, self._held, self._held_ticks = self._held, [], 0
        if self._rate is not None:
            whole = AudioChunk(held[0].tick, sum(sound.ticks for sound in held), b"".join(sound.data for sound in held))
            at = whole.tick + self._quietest(whole.data) * (TICKS // self._rate)
            self._put(part(whole, whole.tick, at))
            held = [part(whole, at, whole.end)]
        self._replay.add(Cut(self._piece))
        self._piece = ItemPiece(self.item)
        self._ticks = 0
        for sound in held:
            self.add(sound)

    def _quietest(self, pcm: bytes) -> int:
        assert self._rate is not None  # noqa: S101
        return quietest(pcm, self._rate, earliest=0.0, latest=self._window / TICKS)


class JoinedTurn:
    def __init__(self, item: SpeechItem, replay: ReplayBuffer, binder: TurnBinder) -> None:
        self.item = item
        self._replay = replay
        binder.joins.append(item)

    def add(self, sound: AudioChunk) -> None:
        self._replay.add(sound)

    def end(self, tick: int) -> None:
        """The caller commits, at this position: the item is complete once the service has answered all before it."""
        self.item.end_at(tick)
        self._replay.add(Barrier(why="join", tick=tick, item=self.item))
