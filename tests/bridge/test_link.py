"""The connection to the service: what is sent when, and sent again after a reconnection."""

from __future__ import annotations

import pytest

from compat.bridge.limits import SessionLimits
from compat.errors import CompatError, Forbidden, ModelNotFound, NotAuthenticated, RateLimited
from tests.bridge.stage import (
    NEW,
    NO_PADDING,
    SECOND,
    SETUP,
    Conversation,
    Stage,
    Step,
    append,
    by_hand,
    commit,
    committed,
    created,
    detecting,
    drained,
    final,
    finished,
    later,
    lost,
    opened,
    play,
    ready,
    service,
    spoken,
    start,
    started,
    stopped,
    text,
    update,
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [(started("n1", 200), ["< speech_started item_1 200"])]),
        (
            [(started("t1", 200), ["< speech_started item_1 200"])],
            [
                (started("n1", 200), []),
                (text("n1", "he", "llo"), ["< delta item_1 'he'"]),
                (stopped("n1", 800), ["< speech_stopped item_1 800", *NEW]),
            ],
        ),
        (
            [
                (started("t1", 200), ["< speech_started item_1 200"]),
                (text("t1", "he", "llo"), ["< delta item_1 'he'"]),
                (stopped("t1", 800), ["< speech_stopped item_1 800", *NEW]),
                (committed("t1"), []),
            ],
            [
                (started("n1", 210), []),
                (text("n1", "", "hello"), []),
                (stopped("n1", 790), []),
                (committed("n1"), []),
                (final("n1", "hello"), ["< delta item_1 'llo'", "< completed item_1 'hello' 0.6"]),
            ],
        ),
    ],
    ids=["before the turn", "in the turn", "after the commit"],
)
def test_the_sound_of_unfinished_items_is_sent_again(before: Conversation, after: Conversation) -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            *before,
            (lost(), ["open"]),
            (append(500), []),
            (opened, [SETUP, "> audio 32000", "> audio 16000"]),
            *after,
        ],
    )


def test_answered_audio_is_not_sent_again() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            *spoken("t1", "item_1", "hi", None, 100, 900),
            (append(1000), ["> audio 32000"]),
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 3200", "> audio 32000"]),
            (started("n1", 300), ["< speech_started item_2 1200"]),
        ],
    )


def test_an_answer_that_overtook_another_leaves_silence_in_its_place() -> None:
    play(
        detecting(),
        [
            (append(3000), ["> audio 32000"] * 3),
            *spoken("t1", "item_1", "one", None, 100, 900)[:3],
            *spoken("t2", "item_2", "two", "item_1", 1100, 1900)[:3],
            (final("t2", "two"), []),
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 28800", "> audio 32000", "> audio 3200", "> audio 32000"]),
            (started("n1", 100), []),
            (started("n2", 1000), ["< speech_started item_3 1900"]),
        ],
    )


@pytest.mark.parametrize(
    ("told_ms", "heard_ms", "sent"),
    [(900, 1500, ["> audio 16000", "> audio 32000"]), (1900, 700, ["> audio 9600", "> audio 32000", "> audio 32000"])],
    ids=["longer", "shorter"],
)
def test_a_replayed_turn_may_end_at_another_place(told_ms: int, heard_ms: int, sent: list[str]) -> None:
    play(
        detecting(),
        [
            (append(3000), ["> audio 32000"] * 3),
            *spoken("t1", "item_1", "one", None, 100, told_ms)[:3],
            (lost(), ["open"]),
            (opened, [SETUP, *["> audio 32000"] * 3]),
            (started("n1", 100), []),
            (stopped("n1", heard_ms), []),
            (committed("n1"), []),
            (final("n1", "one"), ["< delta item_1 'one'", f"< completed item_1 'one' {(told_ms - 100) / 1000}"]),
            (lost(), ["open"]),
            (opened, [SETUP, *sent]),
        ],
    )


def test_a_replayed_turn_that_is_not_reported_ends_and_keeps_the_connection() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 900), ["< speech_started item_1 900"]),
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 32000"]),
            *[(append(1000), ["> audio 32000"])] * 21,
            (later(19.9), []),
            (later(0.2), ["> finish"]),
            (finished, ["< speech_stopped item_1 900", *NEW, "< completed item_1 '' 0.0", "close"]),
        ],
    )


def test_a_session_that_ends_during_a_replay_has_answered_what_was_sent() -> None:
    play(
        ready(Stage(drain=False, limits=SessionLimits(in_flight_bytes=32_000)), turn_detection=NO_PADDING),
        [
            (append(3000), ["> audio 32000"]),
            (drained, ["> audio 32000"]),
            (drained, ["> audio 32000"]),
            *spoken("t1", "item_1", "one", None, 100, 900)[:3],
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 32000"]),
            (later(20.1), ["> finish"]),
            (finished, ["< completed item_1 '' 0.8", "close", "open"]),
            (opened, [SETUP, "> audio 32000"]),
            (started("n1", 100), ["< speech_started item_2 1100"]),
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 32000"]),
            (drained, ["> audio 32000"]),
            (drained, []),
        ],
    )


def test_a_committed_turn_without_sound_ends_with_the_connection_or_the_settings() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            *spoken("t1", "item_1", "one", None, 100, 1000),
            (committed("t2"), SECOND),
            (lost(), ["< completed item_2 '' 0.0"]),
        ],
    )

    fresh = ready(Stage())
    play(
        fresh,
        [
            (committed("t1"), NEW),
            (
                update(turn_detection=None),
                ["< session.updated", "< completed item_1 '' 0.0", "> setup pcm/16000 manual"],
            ),
        ],
    )


def test_a_replay_keeps_its_alignment_with_the_windows_of_the_service() -> None:
    stage = detecting()
    for _ in range(5):
        stage.step(append(1000))
    play(
        stage,
        [
            (started("t1", 4200), ["< speech_started item_1 4200"]),
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 3840", "> audio 32000", "> audio 32000"]),
            (started("n1", 1320), []),
            (stopped("n1", 2000), ["< speech_stopped item_1 4880", *NEW]),
        ],
    )


def test_manual_turns_are_committed_again() -> None:
    play(
        by_hand(),
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (committed("t1"), []),
            (append(500), ["> audio 16000"]),
            (lost(), ["open"]),
            (opened, ["> setup pcm/16000 manual", "> audio 32000", "> commit"]),
            (committed("n1"), ["> audio 16000"]),
            (final("n1", "one"), ["< delta item_1 'one'", "< completed item_1 'one' 1.0"]),
            (commit, [*SECOND, "> commit"]),
            (final("n2", "two"), ["< delta item_2 'two'", "< completed item_2 'two' 0.5"]),
        ],
    )


def test_an_idle_client_gets_no_new_connection() -> None:
    manual, detected = by_hand(), ready(Stage())
    for stage in (manual, detected):
        play(stage, [(append(1000), ["> audio 32000"]), (later(40), []), (lost(), [])])

    assert manual.step(append(100)) == ["open"]
    assert detected.step(append(100)) == ["open"]


BROKEN = service("error", error={"type": "server_error", "code": "InternalError", "message": "oops"})


@pytest.mark.parametrize(
    "end",
    [BROKEN, finished, lambda stage: stage.bridge.from_upstream("{}", stage.now)],
    ids=["error event", "session.finished", "no event"],
)
def test_the_service_ends_the_session(end: Step) -> None:
    play(ready(Stage()), [(append(1000), ["> audio 32000"]), (end, ["close", "open"])])


def test_reopening_is_bounded_and_every_item_ends() -> None:
    stage = ready(Stage(limits=SessionLimits(attempts=3, first_delay=1.0)), turn_detection=None)
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (lost(), ["open"]),
            (lost(), []),
            (later(2.0), ["open"]),
            (lost(), []),
            (later(4.0), ["open"]),
            (lost(), ["< failed item_1 service_unavailable", "< error service_unavailable None None", "hang up 1011"]),
        ],
    )
    assert stage.bridge.over


def test_the_service_can_ask_for_a_delay_before_reconnecting() -> None:
    play(
        by_hand(),
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (lost(RateLimited("slowly", retry_after=5.0)), []),
            (later(4.9), []),
            (later(0.2), ["open"]),
        ],
    )


def test_a_service_that_is_silent_during_speech_is_replaced() -> None:
    stage = detecting()
    play(stage, [(append(1000), ["> audio 32000"]), (started("t1", 0), ["< speech_started item_1 0"])])
    for _ in range(20):
        play(stage, [(append(1000), ["> audio 32000"]), (later(1), [])])

    play(stage, [(append(1000), ["> audio 32000"]), (later(1), ["close", "open"])])


def test_a_service_that_is_silent_after_the_last_turn_is_replaced_once() -> None:
    play(
        detecting(),
        [
            (append(3000), ["> audio 32000"] * 3),
            (started("t1", 100), ["< speech_started item_1 100"]),
            (later(22.9), []),
            (later(0.2), ["close", "open"]),
            (opened, [SETUP, *["> audio 32000"] * 3]),
            (started("n1", 100), []),
            (later(1000.0), []),
            (append(1000), ["> audio 32000"]),
            (stopped("n1", 3500), ["< speech_stopped item_1 3500", *NEW]),
            (final("n1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 3.4"]),
        ],
    )


def test_a_turn_that_the_new_connection_does_not_report_ends() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 100), ["< speech_started item_1 100"]),
            (later(21.1), ["close", "open"]),
            (opened, [SETUP, "> audio 32000"]),
            (later(21.1), ["> finish"]),
            (finished, ["< speech_stopped item_1 100", *NEW, "< completed item_1 '' 0.0", "close"]),
        ],
    )


def test_a_pong_releases_the_silence_before_it() -> None:
    stage = ready(Stage())
    for _ in range(20):
        play(stage, [(append(1000), ["> audio 32000"]), (later(1), [])])
    stage.step(lambda stage: stage.bridge.upstream_pong(stage.now, stage.now))
    heard = [*stage.step(lost()), *stage.step(opened)]

    assert ["open", SETUP, "> audio 5120", *["> audio 32000"] * 4] == heard


def test_progress_resets_the_number_of_attempts() -> None:
    stage = ready(Stage(limits=SessionLimits(attempts=2)), turn_detection=None)
    for _ in range(10):
        for step in (append(1000), lost(), later(30), opened, created):
            stage.step(step)

    assert not stage.bridge.over
    assert 10 == stage.bridge.reconnections


@pytest.mark.parametrize("error", [NotAuthenticated("no"), Forbidden("no"), ModelNotFound("no")])
def test_an_error_that_no_retry_can_help_ends_the_session(error: CompatError) -> None:
    play(
        Stage(),
        [
            (start, ["< session.created", "open"]),
            (lost(error), [f"< error {error.code} {error.param} None", "hang up 1011"]),
        ],
    )


def test_a_service_that_hangs_is_left_and_has_more_time_then() -> None:
    play(
        by_hand(),
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (later(3.1), ["> finish"]),
            (later(9.0), []),
            (later(1.1), ["close", "open"]),
            (opened, ["> setup pcm/16000 manual", "> audio 32000", "> commit"]),
            (later(3.1), ["> finish"]),
            (later(19.0), []),
            (final("t1", "slow"), ["< delta item_1 'slow'", "< completed item_1 'slow' 1.0"]),
        ],
    )


def test_a_turn_sent_faster_than_spoken_may_take_its_duration() -> None:
    play(
        by_hand(),
        [
            *[(append(1000), ["> audio 32000"])] * 40,
            (commit, [*NEW, "> commit"]),
            (later(3.1), ["> finish"]),
            (later(46.0), []),
            (final("t1", "slow"), ["< delta item_1 'slow'", "< completed item_1 'slow' 40.0"]),
            (finished, ["close"]),
        ],
    )
