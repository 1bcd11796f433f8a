"""The bounds of one live session: seconds, unless a name says otherwise."""

from __future__ import annotations

import msgspec

TICKS = 16_000
"""Positions in sound are whole ticks of 1/16000 s, whatever the rate: one sample at 16 kHz, two ticks at 8 kHz."""
TICKS_A_MS = TICKS // 1000
REASON = 123
"""Bytes of a close frame's reason (RFC 6455, 5.5)."""


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`unsent` seconds of sound, and one append beyond them, stop the caller from being read. At most `piece_bytes` of
    an append are taken in one call. `kept` bounds what is held for a replay: a turn that goes on for longer without a
    result loses its beginning when the connection breaks.

    `heard_after`: how long after the service must have heard a stretch of sound (at real-time pace at the latest)
    it still may report speech in it. `received_after`: when a connection that did not break in the meantime is known
    to have delivered it; a pong tells sooner. `attempts` in a row, without progress, end the session.

    `settling`: how long after the service must have heard a stretch new settings wait for speech in it.

    A manual commit without an answer is asked for again after `manual_answer`, by ending the service's session; where
    the service has not said a word about it, as it may never if there was no speech, after `acknowledged`, or after
    twice as long as it took to say something about the last one.

    A session ends after `longest`, where that is given; what is under way then gets `grace`, and the answer to what is
    open even then `parting`.
    """

    longest: float | None = None
    grace: float = 10.0
    parting: float = 2.0
    unsent: float = 300.0
    kept: float = 660.0
    heard_after: float = 3.0
    settling: float = 0.5
    received_after: float = 40.0
    in_flight_bytes: int = 96_000
    frame_bytes: int = 32_000
    piece_bytes: int = 1 << 18
    shortest_commit: float = 0.1
    cut_from: float = 50.0
    cut_until: float = 57.0
    manual_answer: float = 3.0
    acknowledged: float = 0.5
    vad_answer: float = 2.0
    stalled: float = 20.0
    finishing: float = 10.0
    closing: float = 2.0
    attempts: int = 8
    first_delay: float = 0.25
    longest_delay: float = 8.0
    longest_wish: float = 30.0
    remembered_items: int = 200
