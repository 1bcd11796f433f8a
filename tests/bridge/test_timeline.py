from __future__ import annotations

import pytest

from compat.bridge.timeline import Timeline

MS = 16


def spent() -> Timeline:
    """A session that began at the caller's 5 s, skipped the caller's 7…9 s, with a second of silence in between."""
    timeline = Timeline()
    timeline.sound(5000 * MS, 1000 * MS)
    timeline.sound(6000 * MS, 1000 * MS)
    timeline.silence(7000 * MS, 1000 * MS)
    timeline.sound(9000 * MS, 1000 * MS)
    return timeline


@pytest.mark.parametrize(
    ("service_ms", "caller_ms"),
    [
        (-5, 5000),
        (0, 5000),
        (1999, 6999),
        (2000, 7000),
        (2999, 7000),
        (3000, 9000),
        (3500, 9500),
        (4000, 10_000),
        (99_000, 10_000),
        (None, 10_000),
    ],
)
def test_times_of_the_service_become_times_of_the_client(service_ms: int | None, caller_ms: int) -> None:
    assert caller_ms == spent().began(service_ms) / MS
    assert caller_ms == spent().ended(service_ms) / MS


def test_a_rounded_end_is_the_end_of_the_sent_audio_and_a_start_is_not() -> None:
    timeline = Timeline()
    timeline.sound(0, 1000 * MS + 7)

    assert 1000 * MS == timeline.began(1000)
    assert 1000 * MS + 7 == timeline.ended(1000)
    assert 999 * MS == timeline.ended(999)


def test_a_start_past_the_end_of_the_sent_audio_is_extrapolated() -> None:
    assert [9500, 10_000, 10_300] == [spent().reported(at_ms) / MS for at_ms in (3500, 4000, 4300)]


def test_times_before_any_audio_are_zero() -> None:
    assert 0 == Timeline().began(100) == Timeline().ended(None)
    assert 4000 * MS == spent().sent
