"""The voice of a call is sent in pieces at the right times, whenever it arrives."""

from __future__ import annotations

import array
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.webrtc.voice import LEAD, LENGTH, MOST, PIECE, RATE, TAIL, VoicePiece, VoiceTrack

LOUD = b"\1\0" * PIECE  # a piece
TICKS = 2880
FIRST = 65530, 2**32 - 3000  # number and stamp, which wrap soon
LATE = LEAD + 5 * LENGTH
ROUNDED = 0.001  # seconds


def sent(*puts: tuple[float, bytes], late: tuple[float, float] | None = None) -> list[tuple[float, VoicePiece]]:
    """Return the pieces, with the time at which they are sent. `puts`: voice, with the time at which it comes.
    `late`: the time from which the event loop is late, and by how much."""
    track, found, coming = VoiceTrack(*FIRST), list[tuple[float, VoicePiece]](), list(puts)
    while coming or track.due is not None:
        if coming and (track.due is None or coming[0][0] <= track.due):
            now, pcm = coming.pop(0)
            track.put(pcm, now)
            continue
        assert track.due is not None
        now = track.due
        if late is not None and now >= late[0]:
            now, late = now + late[1], None
        found += [(now, piece) for piece in track.take(now)]
    return found


def spurts(pieces: list[tuple[float, VoicePiece]]) -> list[tuple[float, int, int]]:
    """Return when each spurt begins, and its pieces with voice and of silence."""
    found: list[tuple[float, int, int]] = []
    for now, piece in pieces:
        begin, loud, silent = (now, 0, 0) if piece.first else found.pop()
        found.append((begin, loud + any(piece.pcm), silent + (not any(piece.pcm))))
    return [(round(begin, 3), loud, silent) for begin, loud, silent in found]


CASES = {
    "nothing": ([], []),
    "one": ([(1.0, LOUD)], [(1.2, 1, TAIL)]),
    "a part of a piece": ([(1.0, LOUD[:10])], [(1.2, 1, TAIL)]),
    "much at once": ([(1.0, LOUD * 100)], [(1.2, 100, TAIL)]),
    "what follows is late": ([(1.0, LOUD * 5), (1.49, LOUD * 5)], [(1.2, 10, TAIL)]),
    "an empty piece": ([(1.0, b"")], []),
    # the tail of the first is sent until the second begins, 0.2 s after it came
    "it comes too late": ([(1.0, LOUD * 5), (1.51, LOUD * 5)], [(1.2, 10, 4 + TAIL)]),
    "it comes in the last of the tail": ([(1.0, LOUD * 5), (1.73, LOUD * 5)], [(1.2, 10, TAIL + 4 + TAIL)]),
    "two with silence between them": ([(1.0, LOUD * 5), (3.0, LOUD * 5)], [(1.2, 5, TAIL), (3.2, 5, TAIL)]),
}


@pytest.mark.parametrize(("puts", "expected"), CASES.values(), ids=CASES)
def test_the_times_at_which_voice_is_sent(
    puts: list[tuple[float, bytes]], expected: list[tuple[float, int, int]]
) -> None:
    assert expected == spurts(sent(*puts))


def test_a_late_event_loop_delays_later_pieces() -> None:
    assert spurts(sent((1.0, LOUD * 20), late=(1.3, LATE))) == [(1.2, 2, 0), (1.82, 18, TAIL)]
    assert spurts(sent((1.0, LOUD * 20), late=(1.3, LEAD / 2))) == [(1.2, 20, TAIL)]


@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(0, 3000)), max_size=9),
    st.none() | st.tuples(st.floats(0, 5), st.floats(0, 1)),
)
def test_all_voice_is_sent_in_order_and_the_stamps_follow_the_time(
    coming: list[tuple[float, int]], late: tuple[float, float] | None
) -> None:
    now, count, puts = 0.0, 0, []
    for after, samples in coming:
        now += after
        puts.append((now, array.array("h", range(count + 1, count + samples + 1)).tobytes()))
        count += samples
    pieces = sent(*puts, late=late)
    voice = array.array("h", b"".join(piece.pcm for _, piece in pieces))
    assert list(filter(None, voice)) == list(range(1, count + 1))
    assert [piece.number for _, piece in pieces] == [(FIRST[0] + index) & 0xFFFF for index in range(len(pieces))]
    stamps = [(piece.stamp - FIRST[1]) & 0xFFFFFFFF for _, piece in pieces]
    assert all(after - before >= TICKS for before, after in itertools.pairwise(stamps))
    begin = next((at for at, pcm in puts if pcm), 0.0) + LEAD
    for (at, _), stamp in zip(pieces, stamps, strict=True):
        assert -ROUNDED <= at - begin - stamp / 48_000 <= LEAD + ROUNDED


def test_the_oldest_of_a_minute_is_skipped() -> None:
    track = VoiceTrack(*FIRST)
    for second in range(MOST + 3):
        track.put(bytes([second + 1, 0]) * RATE, 0.0)
    assert (track.skipped, track.waiting) == (3, MOST)
    assert track.take(LEAD)[0].pcm[:2] == b"\4\0"
