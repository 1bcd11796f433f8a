"""Faults of a live session change its events, and occur once, at the given count."""

from __future__ import annotations

import json

import pytest

from compat.emulator.live_faults import Double, Erring, Fail, Late, LiveFault, Sever, Stall, Strike
from compat.emulator.live_records import LiveRecord
from compat.emulator.realtime.fault_player import FaultPlayer
from compat.emulator.realtime.wire import RealtimeWire
from tests.emulator.realtime.talk import COMMIT, FINISH, MANUAL, Event, Talk, decoded, frames, kinds, spoken

TURN = ["committed", "created", "text", "completed"]


def played(*faults: LiveFault, turns: int = 2) -> list[Event]:
    talk, faulty = Talk(session=MANUAL), FaultPlayer(faults, RealtimeWire())
    said = [message for _ in range(turns) for message in (*frames(spoken("amber")), COMMIT)]
    run = [event for message in [*said, FINISH] for event in faulty.events(talk.session.receive(json.dumps(message)))]
    return [decoded(event) for event in run]


@pytest.mark.parametrize(
    ("faults", "heard"),
    [
        ((), [*TURN, *TURN, "finished"]),
        ((Double("completed"),), [*TURN, "completed", *TURN, "completed", "finished"]),
        ((Double(".committed"),), ["committed", *TURN, "committed", *TURN, "finished"]),
        ((Late(1, 2),), [*TURN[:3], *TURN, "completed", "finished"]),
        ((Late(1, 9),), [*TURN[:3], *TURN, "completed", "finished"]),
        ((Late(2, 3),), [*TURN, *TURN, "finished"]),
        ((Fail(2, code="c", message="m"),), [*TURN, *TURN[:3], "failed", "finished"]),
        ((Fail(1), Late(1, 2)), [*TURN[:3], *TURN, "failed", "finished"]),
    ],
)
def test_faults_change_the_events(faults: tuple[LiveFault, ...], heard: list[str]) -> None:
    assert kinds(played(*faults)) == heard


def test_a_late_fault_reorders_two_results() -> None:
    first, second = (event["item_id"] for event in played() if event["type"].endswith(".committed"))

    assert [e["item_id"] for e in played(Late(1, 2)) if e["type"].endswith(".completed")] == [second, first]


def test_a_failure_has_no_event_id() -> None:
    (failed,) = (event for event in played(Fail(2, code="c", message="m")) if event["type"].endswith(".failed"))

    assert failed == {
        "type": "conversation.item.input_audio_transcription.failed",
        "item_id": failed["item_id"],
        "content_index": 0,
        "error": {"code": "c", "message": "m", "param": None},
    }


def test_a_double_fault_repeats_every_event() -> None:
    assert len(played(Double())) == 2 * len(played())


@pytest.mark.parametrize(
    ("strike", "before", "then"),
    [
        (Sever(3), LiveRecord(id="", model="", frames=2), LiveRecord(id="", model="", frames=3)),
        (Stall(100, "bytes"), LiveRecord(id="", model="", bytes=99), LiveRecord(id="", model="", bytes=200)),
    ],
)
def test_a_fault_occurs_once_at_its_count(strike: Strike, before: LiveRecord, then: LiveRecord) -> None:
    faulty = FaultPlayer([strike], RealtimeWire())

    assert [faulty.strike(record) for record in (before, then, then)] == [None, strike, None]


def test_a_fault_occurs_after_a_number_of_events() -> None:
    faulty, record = FaultPlayer([Erring(1, "events")], RealtimeWire()), LiveRecord(id="", model="")

    assert faulty.strike(record) is None
    list(faulty.events(Talk().session.opened()))
    assert faulty.strike(record) == Erring(1, "events")
