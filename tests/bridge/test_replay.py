"""Sound that is kept until it is answered, and sent again."""

from __future__ import annotations

import pytest

from compat.bridge.replay import AudioChunk, Entry, ReplayBuffer, after, outside, part, split, without


def sound(tick: int, ticks: int) -> AudioChunk:
    """Sound at 16 kHz whose samples are their own positions."""
    return AudioChunk(tick, ticks, b"".join(at.to_bytes(2, "little") for at in range(tick, tick + ticks)))


@pytest.mark.parametrize(
    ("spans", "rest"),
    [
        ([], [sound(0, 10), sound(10, 10)]),
        ([(3, 7)], [sound(0, 3), sound(7, 3), sound(10, 10)]),
        ([(3, 10)], [sound(0, 3), sound(10, 10)]),
        ([(7, 13)], [sound(0, 7), sound(13, 7)]),
        ([(0, 20)], []),
        ([(2, 4), (12, 14)], [sound(0, 2), sound(4, 6), sound(10, 2), sound(14, 6)]),
    ],
)
def test_answered_audio_is_left_out(spans: list[tuple[int, int]], rest: list[Entry]) -> None:
    assert rest == without([sound(0, 10), sound(10, 10)], spans)


@pytest.mark.parametrize(
    ("tick", "rest"),
    [
        (0, [sound(0, 10), sound(10, 10)]),
        (4, [sound(4, 6), sound(10, 10)]),
        (10, [sound(10, 10)]),
        (15, [sound(15, 5)]),
        (20, []),
    ],
)
def test_the_audio_after_a_position(tick: int, rest: list[Entry]) -> None:
    assert rest == after([sound(0, 10), sound(10, 10)], tick)


def test_long_sound_is_split_and_an_opus_packet_is_not() -> None:
    packet = AudioChunk(0, 320, b"\x78" * 100, packet=True)

    assert [sound(5, 10)] == split(sound(5, 10), 20)
    assert [sound(5, 4), sound(9, 4), sound(13, 2)] == split(sound(5, 10), 8)
    assert [AudioChunk(0, 8, bytes(8)), AudioChunk(8, 4, bytes(4))] == split(AudioChunk(0, 12, bytes(12)), 8)
    assert [packet] == split(packet, 10)


def test_a_part_of_8_khz_sound_and_of_opus() -> None:
    half = AudioChunk(100, 8, bytes(range(8)))
    packet = AudioChunk(0, 320, b"\x78\1\2", packet=True)

    assert AudioChunk(102, 4, bytes(range(2, 6))) == part(half, 102, 106)
    assert packet is part(packet, 100, 200)


def test_sent_audio_is_kept_until_it_is_trimmed_and_can_be_sent_again() -> None:
    buffer = ReplayBuffer()
    for tick in (0, 100, 200):
        buffer.add(sound(tick, 100))
    buffer.sent()
    buffer.sent()
    assert (100, 200) == (buffer.unsent, buffer.kept)

    buffer.trim(lambda entry: isinstance(entry, AudioChunk) and entry.end <= 100)
    assert [sound(100, 100)] == list(buffer.past)

    buffer.rewind(list(buffer.past))
    assert (200, 0) == (buffer.unsent, buffer.kept)
    assert [sound(100, 100), sound(200, 100)] == list(buffer.future)


def test_kept_audio_is_bounded() -> None:
    buffer = ReplayBuffer()
    for tick in range(0, 1000, 100):
        buffer.add(sound(tick, 100))
        buffer.sent()
        buffer.bound(350)

    assert [sound(700, 100), sound(800, 100), sound(900, 100)] == list(buffer.past)


@pytest.mark.parametrize(("until", "heard"), [(200, False), (100, True), (64, True)])
def test_uncommitted_audio_is_dropped(until: int, heard: bool) -> None:
    buffer = ReplayBuffer()
    for tick in (0, 100, 200):
        buffer.add(sound(tick, 100))
    buffer.sent()
    buffer.sent()

    assert heard is buffer.drop(lambda entry: outside(entry, until, 300))
    assert (0, until) == (buffer.unsent, buffer.kept)


@pytest.mark.parametrize(
    ("sound", "weight"),
    [
        (AudioChunk(0, 1600, bytes(3200)), 1600),
        (AudioChunk(0, 1600, bytes(1600)), 1600),  # at 8 kHz
        (AudioChunk(0, 320, bytes(80), packet=True), 320),
        (AudioChunk(0, 40, bytes(46_000), packet=True), 23_000),  # of Opus, with padding
        (AudioChunk(0, 1, bytes(2)), 64),
    ],
)
def test_audio_that_takes_more_memory_counts_more(sound: AudioChunk, weight: int) -> None:
    buffer = ReplayBuffer()
    buffer.add(sound)
    assert (weight, 0, 2 * weight) == (buffer.unsent, buffer.kept, buffer.size)
    buffer.sent()
    assert (0, weight, 2 * weight) == (buffer.unsent, buffer.kept, buffer.size)
    buffer.bound(weight - 1)
    assert 0 == buffer.size


@pytest.mark.parametrize(
    ("ticks", "tail"), [(4, sound(16, 4)), (10, sound(10, 10)), (14, sound(6, 14)), (99, sound(0, 20))]
)
def test_the_tail_is_the_end_of_the_sent_audio(ticks: int, tail: AudioChunk) -> None:
    buffer = ReplayBuffer()
    for tick in (0, 10, 20):
        buffer.add(sound(tick, 10))
    buffer.sent()
    buffer.sent()

    assert buffer.tail(ticks) == tail.data
