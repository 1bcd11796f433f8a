"""Turns that the client ends, and its commits while the service detects turns.

Without voice activity detection the service accepts at most 60 s as one turn (guide to real-time speech recognition,
2026-01). `ManualTurn` cuts a longer turn where it is quietest between 50 and 57 s, so sound past 50 s is held back
until the cut is known. `JoinedTurn` is a turn with live deltas: the service detects sentences in it, which are joined
into the client's one item. `VadCommits` answers commits under detection that get no turn.
"""

from __future__ import annotations

from compat.audio.quiet import quietest
from compat.bridge.items import ItemEvents, ItemPiece, SpeechItem
from compat.bridge.limits import TICKS, SessionLimits
from compat.bridge.link import Link
from compat.bridge.replay import AudioChunk, Barrier, Cut, ReplayBuffer, part
from compat.bridge.states import LinkState
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
        """The client commits, at this position."""
        for sound in self._held:
            self._put(sound)
        self._held.clear()
        if self._ticks:
            self._replay.add(Cut(self._piece))
        else:
            self._piece.resolve("")
        self.item.close(tick)

    def pause(self) -> None:
        """The client sends nothing for a while: what it sent is recognised now, as a piece of the turn."""
        for sound in self._held:
            self._put(sound)
        self._held, self._held_ticks = [], 0
        if self._ticks:
            self._replay.add(Cut(self._piece))
            self._piece, self._ticks = ItemPiece(self.item), 0

    def leave(self) -> tuple[ItemPiece, list[AudioChunk]]:
        """Give up the turn: its last piece, and the sound of it that is not in the replay buffer."""
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
        binder.add_joined(item)

    def add(self, sound: AudioChunk) -> None:
        self._replay.add(sound)

    def end(self, tick: int) -> None:
        """The client commits, at this position. The item is complete when all sound before it is answered."""
        self.item.end_at(tick)
        self._replay.add(Barrier(why="join", tick=tick, item=self.item))


class VadCommits:
    """Answers a commit with an empty item, if the service detects turns and reports no speech for it."""

    def __init__(
        self, items: ItemEvents, link: Link, binder: TurnBinder, replay: ReplayBuffer, limits: SessionLimits
    ) -> None:
        self._items = items
        self._link = link
        self._binder = binder
        self._replay = replay
        self._shortest = round(limits.shortest_commit * TICKS)
        self._patience = limits.vad_answer

    @property
    def deadline(self) -> float | None:
        """When to answer the commit that the service has not reported any speech for."""
        return None if self._waiting is None else self._link.quiet_since + self._patience

    def tick(self, now: float) -> None:
        barrier = self._waiting
        if barrier is not None and now >= self._link.quiet_since + self._patience:
            self._answer(barrier)

    def passed(self, barrier: Barrier) -> None:
        """Everything before the barrier is answered."""
        if self._unanswered(barrier):
            self._answer(barrier)

    @property
    def _waiting(self) -> Barrier | None:
        if self._link.state is not LinkState.FINISHING or self._binder.speaking or not self._replay.future:
            return None
        head = self._replay.future[0]
        return head if isinstance(head, Barrier) and self._unanswered(head) else None

    def _unanswered(self, barrier: Barrier) -> bool:
        """Whether it is a commit, with at least as much sound after the last item as a commit needs."""
        return barrier.why == "commit" and barrier.tick - self._items.reached >= self._shortest

    def _answer(self, barrier: Barrier) -> None:
        item = self._items.new(barrier.tick)
        item.close(barrier.tick)
        self._items.commit(item)
        self._items.settle()
