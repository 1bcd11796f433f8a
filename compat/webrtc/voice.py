"""The voice that the caller hears, in pieces of `sdp.PTIME` at their times. A datagram costs more than its encoding.

Voice after silence begins `LEAD` later, so that what follows it may be late. After voice there is silence for `TAIL`,
in which the caller's buffer plays the last of it; then nothing is sent. Time stamps go on with the time, and callers
fill the gap (RFC 7587, 3.1.3).
"""

from __future__ import annotations

from typing import Final

import msgspec

from compat.dashscope_api.live import opus
from compat.webrtc import sdp

RATE: Final = 24_000  # samples a second, of the PCM
PIECE: Final = RATE * sdp.PTIME // 1000  # samples
LENGTH: Final = PIECE / RATE  # seconds
LEAD: Final = 0.2  # seconds
TAIL: Final = 4  # pieces
MOST: Final = 60  # seconds of voice that wait; beyond them, the oldest is skipped
_BYTES: Final = 2 * PIECE
_SILENCE: Final = bytes(_BYTES)
_TICKS: Final = opus.RATE * sdp.PTIME // 1000  # of the time stamps, a piece


class VoicePiece(msgspec.Struct, frozen=True):
    """Mono s16le. `stamp` is its time in samples of Opus' clock; `first`: whether nothing was sent before it (RFC 3551,
    4.1)."""

    pcm: bytes
    number: int
    stamp: int
    first: bool


class VoiceTrack:
    """Times are in seconds on one clock. `number` and `stamp` are those of the first piece. `skipped` counts the
    seconds of voice that were not sent."""

    def __init__(self, number: int, stamp: int) -> None:
        self.skipped = 0.0
        self._number = number
        self._stamp = stamp
        self._waiting = bytearray()
        self._due: float | None = None
        self._ended: float | None = None
        """When the last piece ended."""
        self._begins = 0.0
        """The voice that waits is not sent before this."""
        self._tail = 0
        """Pieces of silence that are still to be sent."""
        self._first = True

    @property
    def due(self) -> float | None:
        """When to call `take`; None while there is nothing to send."""
        return self._due

    @property
    def waiting(self) -> float:
        """Seconds of voice that are still to be sent."""
        return len(self._waiting) / 2 / RATE

    def put(self, pcm: bytes, now: float) -> None:
        """Add voice."""
        if not self._waiting and self._tail < TAIL:
            self._begins = now + LEAD
        self._waiting += pcm
        excess = len(self._waiting) - 2 * RATE * MOST
        if excess > 0:
            del self._waiting[: excess + excess % 2]
            self.skipped += excess / 2 / RATE
        if self._due is None and pcm:
            self._go_on(now + LEAD)

    def take(self, now: float) -> list[VoicePiece]:
        """Return the pieces that are due. If this is called more than `LEAD` late, the rest is late too."""
        pieces: list[VoicePiece] = []
        if self._due is not None and now > self._due + LEAD:
            self._go_on(now)
        while self._due is not None and self._due <= now:
            if not self._waiting and not self._tail:
                self._ended, self._due = self._due, None
            else:
                pieces.append(self._piece(self._due))
                self._due += LENGTH
        return pieces

    def _piece(self, at: float) -> VoicePiece:
        if self._waiting and at >= self._begins:
            pcm = bytes(self._waiting[:_BYTES]).ljust(_BYTES, b"\0")
            del self._waiting[:_BYTES]
            self._tail = TAIL
        else:
            pcm = _SILENCE
            self._tail = max(self._tail - 1, 0)
        piece = VoicePiece(pcm, self._number, self._stamp, self._first)
        self._number = (self._number + 1) & 0xFFFF
        self._stamp = (self._stamp + _TICKS) & 0xFFFFFFFF
        self._first = False
        return piece

    def _go_on(self, at: float) -> None:
        """Send the next piece at this time."""
        before = self._ended if self._due is None else self._due
        if before is not None:
            self._stamp = (self._stamp + round((at - before) * opus.RATE)) & 0xFFFFFFFF
        self._due, self._first = at, True
