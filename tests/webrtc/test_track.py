"""The clock of a call: packets of 20 ms in every order, with losses and pauses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.webrtc.rtp import Packet
from compat.webrtc.track import PATIENCE, RATE, STEP, CallTrack, Part, Silence

TWENTY = RATE // 50  # samples
FIRST = 65530  # the numbers wrap soon


def packet(index: int, *, source: int = 1, stamp: int | None = None) -> Packet:
    """Return a packet of 20 ms whose payload is its index."""
    at = TWENTY * index if stamp is None else stamp
    payload = bytes([0b11111000, index & 0xFF, index >> 8])  # CELT, 20 ms
    return Packet((FIRST + index) & 0xFFFF, (2**32 - 3000 + at) & 0xFFFFFFFF, source, payload)


def index(part: Part) -> int | str:
    """Return the index of a packet, or the length of a silence in ms."""
    return f"{part.samples * 1000 // RATE} ms" if isinstance(part, Silence) else part[1] | part[2] << 8


def heard(*arrivals: tuple[float, Packet | None]) -> list[int | str]:
    """Return the output of a track for these packets; None is a tick."""
    track, found = CallTrack(), list[Part]()
    for now, each in arrivals:
        found += track.tick(now) if each is None else track.feed(each, now)
    return [index(part) for part in found]


CASES = {
    "in order": ([(0.00, 0), (0.02, 1), (0.04, 2)], [0, 1, 2]),
    "two changed places": ([(0.00, 0), (0.03, 2), (0.04, 1), (0.06, 3)], [0, 1, 2, 3]),
    "doubled": ([(0.00, 0), (0.00, 0), (0.02, 1), (0.03, 1), (0.04, 2)], [0, 1, 2]),
    "doubled while it waits": ([(0.00, 0), (0.04, 2), (0.04, 2), (0.05, 1)], [0, 1, 2]),
    "one lost": ([(0.00, 0), (0.04, 2), (0.06, 3), (0.25, None)], [0, "20 ms", 2, 3]),
    "not yet given up": ([(0.00, 0), (0.04, 2), (0.23, None)], [0]),
    "came at the last moment": ([(0.00, 0), (0.04, 2), (0.23, None), (0.235, 1)], [0, 1, 2]),
    "came too late": ([(0.00, 0), (0.04, 2), (0.25, None), (0.26, 1), (0.26, 3)], [0, "20 ms", 2, 3]),
    "two gaps wait from when their packets came": (
        [(0.00, 0), (0.04, 2), (0.08, 4), (0.25, None), (0.29, None)],
        [0, "20 ms", 2, "20 ms", 4],
    ),
    "nothing yet": ([(5.0, None)], []),
    "muted": ([(0.00, 0), (0.29, None), (0.31, None), (0.41, None)], [0, "100 ms", "100 ms"]),
    "a late tick catches up": ([(0.00, 0), (0.61, None)], [0, "100 ms", "100 ms", "100 ms", "100 ms"]),
}


@pytest.mark.parametrize(("arrivals", "expected"), CASES.values(), ids=CASES)
def test_packets_become_sound_in_order(arrivals: list[tuple[float, int | None]], expected: list[int | str]) -> None:
    assert expected == heard(*((now, None if each is None else packet(each)) for now, each in arrivals))


def test_a_pause_that_the_time_stamps_count_is_as_long_as_they_say() -> None:
    """A microphone that sends nothing during silence (DTX)."""
    later = packet(1, stamp=RATE)
    assert heard((0.0, packet(0)), (0.99, None), (1.01, later)) == [0, *["100 ms"] * 7, "280 ms", 1]


def test_a_pause_that_the_time_stamps_do_not_count_takes_its_time() -> None:
    """Chromium after `replaceTrack(null)`; the caller's clock is not 0.2 s behind after each pause."""
    found = heard(
        *((0.02 * at, packet(at)) for at in range(1, 4)),
        (0.70, None),
        *((0.74 + 0.02 * at, packet(4 + at)) for at in range(3)),
        (1.70, None),
        (1.74, packet(7)),
    )
    assert found == [1, 2, 3, *["100 ms"] * 4, "260 ms", 4, 5, 6, *["100 ms"] * 7, "240 ms", 7]


def test_a_burst_after_a_stall_leaves_the_silence_out_of_the_next_pause() -> None:
    stalled = [(0.0, packet(0)), (0.49, None), *((0.51, packet(at)) for at in range(1, 26))]
    pause = packet(26, stamp=RATE)  # 480 ms are left out, which were silence before
    later = packet(27, stamp=RATE + TWENTY * 11)
    found = heard(*stalled, (1.01, pause), (1.2, later))
    assert found == [0, "100 ms", "100 ms", "290 ms", *range(1, 26), 26, "190 ms", 27]


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ([0.41, 1.59], []),
        ([0.41, 1.61], ["100 ms"] * 14),
        ([1.61, 1.71, 1.81], ["100 ms"] * 16),
    ],
)
def test_silence_begins_later_where_a_word_may_go_on(moments: list[float], expected: list[str]) -> None:
    track = CallTrack(lambda: True)
    track.feed(packet(0), 0.0)
    assert [index(part) for now in moments for part in track.tick(now)] == expected
    held_up = [part for at in (1, 2) for part in track.feed(packet(at), moments[-1])]
    assert [part for part in held_up if not isinstance(part, Silence)] == [packet(at).payload for at in (1, 2)]
    assert len(held_up) == (2 if not expected else 3)


def test_a_new_source_begins_a_new_clock() -> None:
    assert heard((0.0, packet(0)), (0.02, packet(900, source=2)), (0.04, packet(901, source=2))) == [0, 900, 901]


def test_a_new_source_releases_what_waits() -> None:
    assert heard((0.0, packet(0)), (0.04, packet(2)), (0.05, packet(9, source=2))) == [0, "20 ms", 2, 9]


@pytest.mark.parametrize("jump", [3 * RATE, 2**31, 2**32 - RATE])
def test_a_jump_of_the_time_stamps_is_no_silence(jump: int) -> None:
    assert heard((0.0, packet(0)), (0.02, packet(1, stamp=jump)), (0.04, packet(2, stamp=jump + TWENTY))) == [0, 1, 2]


def test_many_packets_behind_a_gap_end_the_wait() -> None:
    found = heard((0.0, packet(0)), *((0.1, packet(at)) for at in range(2, 103)))
    assert found == [0, "20 ms", *range(2, 103)]


@given(
    st.lists(st.sampled_from(["sent", "lost", "doubled"]), min_size=1, max_size=300),
    st.lists(st.floats(0, 0.12), min_size=300, max_size=300),
)
def test_every_packet_that_arrives_is_passed_on_once_at_its_time(fates: list[str], delays: list[float]) -> None:
    """Delays below the patience change the order at will."""
    fates = ["sent", *fates, "sent"]
    delays = [0.0, *delays, 0.0]
    sent = [(at * 0.02 + delays[at % len(delays)], at) for at, fate in enumerate(fates) if fate != "lost"]
    sent += [(arrival + 0.01, at) for arrival, at in sent if fates[at] == "doubled"]
    ends = len(fates) * 0.02 + 1
    ticks = [(step * STEP / 2, -1) for step in range(int(2 * ends / STEP))]
    track, parts = CallTrack(), list[Part]()
    for now, at in sorted([*sent, *ticks]):
        parts += track.tick(now) if at < 0 else track.feed(packet(at), now)
    samples, arrived = 0, []
    for part in parts:
        if isinstance(part, Silence):
            samples += part.samples
            continue
        place = index(part)
        assert isinstance(place, int)
        arrived.append(place)
        assert abs(samples - place * TWENTY) <= (PATIENCE + STEP) * RATE
        samples += TWENTY
    assert sorted(arrived) == arrived == sorted({at for _, at in sent})
