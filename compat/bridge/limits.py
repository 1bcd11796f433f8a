"""The bounds of one live session, in seconds unless a name says otherwise."""

from __future__ import annotations

import msgspec

TICKS = 16_000
"""Positions in sound are whole ticks of 1/16000 s, whatever the rate: one sample at 16 kHz, two ticks at 8 kHz."""
TICKS_A_MS = TICKS // 1000
REASON = 123
"""Bytes of a close frame's reason (RFC 6455, 5.5)."""


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of a session, in seconds unless the name says bytes.

    The client is not read while more than `unsent` seconds of audio wait to be sent; until the service catches up, its
    pings get no pong. One call processes at most `piece_bytes` of an append. `kept` bounds the audio kept for a replay:
    a longer turn without a result loses its beginning when the connection breaks.

    Audio has surely arrived after `received_after` if the connection did not break; a pong shows it sooner. Between
    turns, sound is kept for `reported` after it was spoken, as the service may still report speech in it; if it may be
    speech, for `reported_late`, as the service may be slow. New settings wait for `settling` in case the service
    reports speech before them. `attempts` in a row without progress end the session.

    A session of the service is lost if it does not begin within `starting`, says nothing for `finishing` before its
    end, or for `stalled` about a turn. After attempts without progress, the first two are up to four times as long, as
    the service may be slow. One that fails of silence is replaced by one that is finished `spare` seconds of audio
    sooner.

    If a manual commit has no answer after `manual_answer`, the service's session is finished to get one. If the commit
    is not acknowledged, which may mean that there was no speech, that happens after `acknowledged`, or after twice the
    time that the last acknowledgement took.

    A session ends after `longest`, if given. Open turns then have `grace` to finish; those still open are ended and
    have `parting` to be answered. If the client ends the session, or has sent all the sound that it may, what it said
    is answered until the client gets nothing new for `patience`, in which the service may be found dead and be
    connected again.

    While only sound comes, deadlines are looked at every `glance`, and what no replay needs is forgotten.
    """

    longest: float | None = None
    grace: float = 10.0
    patience: float = 45.0
    parting: float = 2.0
    unsent: float = 3000.0
    kept: float = 660.0
    settling: float = 0.5
    received_after: float = 40.0
    reported: float = 2.0
    reported_late: float = 25.0
    in_flight_bytes: int = 96_000
    frame_bytes: int = 32_000
    piece_bytes: int = 1 << 18
    shortest_commit: float = 0.1
    cut_from: float = 50.0
    cut_until: float = 57.0
    manual_answer: float = 3.0
    acknowledged: float = 0.5
    vad_answer: float = 2.0
    starting: float = 10.0
    spare: float = 10.0
    stalled: float = 20.0
    finishing: float = 10.0
    closing: float = 2.0
    glance: float = 1.0
    attempts: int = 8
    first_delay: float = 0.25
    longest_delay: float = 8.0
    longest_wish: float = 30.0
    remembered_items: int = 200
