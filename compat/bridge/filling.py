"""Sends silence to the service when the client stops sending sound.

The service recognises the end of a sentence by what follows it. Some clients send nothing in pauses, and would wait for
the end of their last sentence. So silence is sent in real time, for as long as the `Face` says. It does not begin at
once: a client may send a second of sound at a time, or over a slow network, and silence in a word would split the word.
It begins later if the sound stopped in the middle of a word: then the network has probably stalled.
"""

from __future__ import annotations

from compat.audio import quiet
from compat.bridge.caller import CallerSide
from compat.bridge.face import Face
from compat.bridge.limits import TICKS
from compat.bridge.link import Link
from compat.bridge.replay import ReplayBuffer

_STEP = 0.5
"""Seconds of every silence."""
_LATE = 1.0
"""Seconds that sound may be late before the first silence."""
_STALLED = 9.0
"""Seconds that it may be later in the middle of a word. A client that has stopped there gets its last words later."""
_HEARD = 3 * TICKS
"""The last sound that is looked at, to know its softest part."""
_LONGEST = 3.0
"""Seconds of the longest sound that a client is expected to send at a time."""


class Filling:
    def __init__(self, link: Link, replay: ReplayBuffer, caller: CallerSide, face: Face) -> None:
        self._fill = face.fill
        self._link = link
        self._replay = replay
        self._caller = caller
        self._left = 0.0
        self._due = 0.0
        self._patient = False
        self._seconds = 0.0

    def sounded(self, now: float) -> None:
        """The client sent sound. More is expected once it has been played."""
        if self._fill:
            before, self._seconds = self._seconds, self._caller.seconds
            self._patient = True
            self._left, self._due = self._fill, now + min(self._seconds - before, _LONGEST) + _LATE

    @property
    def deadline(self) -> float | None:
        waiting = self._left > 0 and self._link.open and not self._replay.future
        return self._due if waiting else None

    def tick(self, now: float) -> None:
        if self.deadline is None or now < self.deadline:
            return
        if self._patient and quiet.in_word(self._replay.tail(_HEARD), self._link.setup.rate):
            self._due += _STALLED
        self._patient = False
        if now >= self._due:
            self._caller.fill(_STEP)
            self._left -= _STEP
            self._due = now + _STEP
