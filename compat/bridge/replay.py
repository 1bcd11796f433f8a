"""Sound that is kept until the service has answered it, to be sent again after a reconnection.

`ReplayBuffer` is a queue of entries on the client's clock with a position in it: `future` is not sent yet, `past` was
sent in this session of the service. When that session is gone, `rewind` moves what is not answered from `past` back to
the front of `future`, and the next session gets it again; what is answered is forgotten. Entries are

- `AudioChunk`, a stretch of sound;
- `Cut`, the commit of a piece of a turn by hand, which is sent again with its sound;
- `Revision`, new context for what follows, which does not end the service's session;
- `Barrier`, a place where the service must have answered everything before it, which takes the end of its session. It
  is never sent: it is removed when it is passed.

How much of `past` may be needed depends on who ends turns, so `Link` decides it (`Link.trim`, `Link._unanswered`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

import msgspec

from compat.audio import quiet
from compat.bridge.items import ItemPiece, SpeechItem
from compat.bridge.settings import Target
from compat.dashscope_api.live.turns import Setup


class AudioChunk(msgspec.Struct, gc=False):
    """A stretch of the client's sound: `ticks` long, from `tick` on.

    `packet`: it is one Opus packet, which cannot be cut. `piece`: the piece of a turn by hand that it belongs to.
    `sent_at`: when it was sent. `heard_by`: when a service that works in real time has heard it.
    """

    tick: int
    ticks: int
    data: bytes
    packet: bool = False
    piece: ItemPiece | None = None
    sent_at: float = 0.0
    heard_by: float = 0.0

    @property
    def end(self) -> int:
        return self.tick + self.ticks

    @property
    def weight(self) -> int:
        """What it counts for in bounds of memory, in ticks of PCM at 16 kHz: its duration, or its bytes if those are
        more, as in Opus packets with padding. The shortest chunk takes about 128 bytes."""
        return max(self.ticks, len(self.data) // 2, 64)

    @property
    def loud(self) -> bool:
        """Whether it may be speech. Opus is not decoded."""
        return self.packet or quiet.loud(self.data)

    def assign(self, piece: ItemPiece) -> None:
        self.piece = piece

    def mark_sent(self, at: float, heard_by: float) -> None:
        self.sent_at, self.heard_by = at, heard_by


class Cut(msgspec.Struct, frozen=True):
    """The end of a piece of a turn by hand: it is committed here."""

    piece: ItemPiece


class Barrier(msgspec.Struct, frozen=True, kw_only=True):
    """The service has to answer everything before it, by ending its session, before anything after it is sent.

    `commit`: the client ended a turn that the service detects. `end`: the session ends, and so does such a turn.
    `join`: the client ended `item`, a joined turn. `clear`: the client dropped what it had not committed; that is
    reported here if `announced` is False. `switch`: the settings of `target` apply from here on.
    """

    why: Literal["commit", "join", "clear", "switch", "end"]
    tick: int
    target: Target | None = None
    item: SpeechItem | None = None
    announced: bool = True


class Revision(msgspec.Struct, frozen=True):
    """From here on the service has the context of `setup`, which differs in nothing else."""

    setup: Setup


Entry: TypeAlias = AudioChunk | Cut | Barrier | Revision


class ReplayBuffer:
    """`past`: entries sent in this session of the service. `future`: entries that are not sent. `kept` and `unsent`:
    the weight of their sound."""

    def __init__(self) -> None:
        self.past: deque[Entry] = deque()
        self.future: deque[Entry] = deque()
        self.unsent = 0
        self.kept = 0

    @property
    def size(self) -> int:
        """Its sound in bytes."""
        return 2 * (self.unsent + self.kept)

    def tail(self, ticks: int) -> bytes:
        """So many ticks of the last PCM that was sent, or as much as there is."""
        pieces: list[bytes] = []
        for entry in reversed(self.past):
            if ticks <= 0:
                break
            if isinstance(entry, AudioChunk) and not entry.packet:
                pieces.append(part(entry, max(entry.tick, entry.end - ticks), entry.end).data)
                ticks -= entry.ticks
        return b"".join(reversed(pieces))

    def add(self, entry: Entry) -> None:
        self.future.append(entry)
        if isinstance(entry, AudioChunk):
            self.unsent += entry.weight

    def sent(self) -> None:
        """The next entry was sent."""
        entry = self.future.popleft()
        self.past.append(entry)
        if isinstance(entry, AudioChunk):
            weight = entry.weight
            self.unsent -= weight
            self.kept += weight

    def first(self, wanted: Callable[[AudioChunk], bool]) -> int | None:
        """Where the first chunk begins that was sent and is `wanted`."""
        return next((entry.tick for entry in self.past if isinstance(entry, AudioChunk) and wanted(entry)), None)

    def trim(self, dead: Callable[[Entry], bool]) -> None:
        """Forget the oldest of what was sent, as long as it is `dead`."""
        while self.past and dead(self.past[0]):
            self._forget(self.past.popleft())

    def bound(self, ticks: int) -> None:
        """Forget the oldest of what was sent, until what is kept weighs no more than this."""
        while self.kept > ticks:
            self._forget(self.past.popleft())

    def _forget(self, entry: Entry) -> None:
        if isinstance(entry, AudioChunk):
            self.kept -= entry.weight

    def rewind(self, needed: Iterable[Entry]) -> None:
        """Send `needed` again, before what was not sent yet; forget the rest of what was sent."""
        self.past.clear()
        self.kept = 0
        again = list(needed)
        self.future.extendleft(reversed(again))
        self.unsent += sum(entry.weight for entry in again if isinstance(entry, AudioChunk))

    def pop(self) -> Entry:
        """Remove the next entry without sending it."""
        return self.future.popleft()

    def revise(self, takeable: Callable[[Setup], Setup]) -> None:
        """Change the setups of all revisions."""
        self.drop(lambda entry: [Revision(takeable(entry.setup))] if isinstance(entry, Revision) else [entry])

    def take_back(self, piece: ItemPiece) -> list[AudioChunk]:
        """Remove and return the sound of this piece, sent or not. It belongs to no piece any more."""
        entries = (*self.past, *self.future)
        sounds = [entry for entry in entries if isinstance(entry, AudioChunk) and entry.piece is piece]
        self.drop(lambda entry: [] if isinstance(entry, AudioChunk) and entry.piece is piece else [entry])
        return [msgspec.structs.replace(sound, piece=None) for sound in sounds]

    def reclaim(self, tick: int) -> list[AudioChunk]:
        """Remove and return the sound after this position, and forget the sound before. There must be nothing else."""
        sounds = [part for entry in self.future if isinstance(entry, AudioChunk) for part in after([entry], tick)]
        self.future.clear()
        self.unsent = 0
        return [sound for sound in sounds if isinstance(sound, AudioChunk)]

    def drop(self, rest: Callable[[Entry], list[Entry]]) -> bool:
        """Keep only the `rest` of every entry, sent or not. True if sound was dropped that had been sent."""
        before = self.kept
        self.past = deque(part for entry in self.past for part in rest(entry))
        self.future = deque(part for entry in self.future for part in rest(entry))
        self.unsent = sum(entry.weight for entry in self.future if isinstance(entry, AudioChunk))
        self.kept = sum(entry.weight for entry in self.past if isinstance(entry, AudioChunk))
        return self.kept < before


def without(entries: Iterable[Entry], spans: Iterable[tuple[int, int]]) -> list[Entry]:
    """The entries without the sound in these spans."""
    rest: list[Entry] = list(entries)
    for start, end in spans:
        rest = [part for entry in rest for part in outside(entry, start, end)]
    return rest


def after(entries: Iterable[Entry], tick: int) -> list[Entry]:
    """The entries from this position on."""
    rest = [entry for entry in entries if not isinstance(entry, AudioChunk) or entry.end > tick]
    if rest and isinstance(rest[0], AudioChunk) and rest[0].tick < tick:
        rest[0] = part(rest[0], tick, rest[0].end)
    return rest


def outside(entry: Entry, start: int, end: int) -> list[Entry]:
    """An entry without the sound between these positions."""
    if not isinstance(entry, AudioChunk) or entry.end <= start or entry.tick >= end:
        return [entry]
    parts: list[Entry] = []
    if entry.tick < start:
        parts.append(part(entry, entry.tick, start))
    if entry.end > end:
        parts.append(part(entry, end, entry.end))
    return parts


def split(sound: AudioChunk, size: int) -> list[AudioChunk]:
    """Split sound into chunks of at most `size` bytes; an Opus packet stays whole."""
    if sound.packet or len(sound.data) <= size:
        return [sound]
    ticks = sound.ticks * size // len(sound.data)
    return [part(sound, at, min(at + ticks, sound.end)) for at in range(sound.tick, sound.end, ticks)]


def part(sound: AudioChunk, start: int, end: int) -> AudioChunk:
    """A part of a chunk of PCM; an Opus packet stays whole."""
    if sound.packet:
        return sound
    samples = len(sound.data) // 2
    low, high = (2 * ((at - sound.tick) * samples // sound.ticks) for at in (start, end))
    return msgspec.structs.replace(sound, tick=start, ticks=end - start, data=sound.data[low:high])


def needed(entry: Entry) -> bool:
    """Whether a replay of turns by hand needs it: its piece has no result."""
    match entry:
        case AudioChunk(piece=piece) | Cut(piece=piece):
            return piece is None or not piece.resolved
        case _:
            return False
