"""Events of LiveTranslate that come when their turn has its result."""

from __future__ import annotations

import json

import pytest

from compat.dashscope_api.live.live_translate import LiveTranslate
from compat.dashscope_api.live.translated_turns import TranslatedTurns
from compat.dashscope_api.live.turns import Final, OtherEvent, Report, Snapshot, Started, Stopped, TurnFailed

MODELS = ["qwen3.5-livetranslate-flash-realtime", "qwen3.8-livetranslate-flash-realtime"]


def read(dialect: LiveTranslate, *events: tuple[str, dict[str, object]]) -> list[Report]:
    return [report for kind, fields in events for report in dialect.read(json.dumps({"type": kind, **fields}))]


def turn(number: int) -> tuple[tuple[str, dict[str, object]], ...]:
    item, response = {"item_id": f"item_{number}"}, f"resp_{number}"
    return (
        ("input_audio_buffer.speech_started", {**item, "audio_start_ms": 0}),
        ("input_audio_buffer.speech_stopped", {**item, "audio_end_ms": 100}),
        ("conversation.item.input_audio_transcription.completed", {**item, "transcript": "hello"}),
        (
            "response.text.done",
            {"response_id": response, "previous_item_id": item["item_id"], "text": f"hola {number}"},
        ),
        ("response.done", {"response": {"id": response, "status": "completed"}}),
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_late_event_begins_no_turn(model: str) -> None:
    dialect = LiveTranslate(model)
    late: list[tuple[str, dict[str, object]]] = [
        ("response.text.done", {"response_id": "resp_1", "text": "hola 1"}),
        ("response.done", {"response": {"id": "resp_1", "status": "failed"}}),
        ("conversation.item.input_audio_transcription.completed", {"item_id": "item_1", "transcript": "hello"}),
    ]

    reports = read(dialect, *turn(1), *turn(2), *late)

    assert [(report.turn, report.text) for report in reports if isinstance(report, Final)] == [
        ("item_1", "hola 1"),
        ("item_2", "hola 2"),
    ]
    assert not [report for report in reports if isinstance(report, TurnFailed)]
    assert isinstance(reports[-2], OtherEvent)


@pytest.mark.parametrize("model", MODELS)
def test_more_text_of_a_turn_that_has_its_result_follows_where_that_turn_ended(model: str) -> None:
    more: list[tuple[str, dict[str, object]]] = [
        ("response.text.done", {"response_id": "more", "previous_item_id": "item_1", "text": "y más"}),
        ("response.done", {"response": {"id": "more", "status": "completed"}}),
    ]

    reports = read(LiveTranslate(model), *turn(1), *more)

    assert reports[-4:] == [
        Started("more", 100, follows="item_1"),
        Stopped("more", 100),
        Snapshot(turn="more", text="y más"),
        Final(turn="more", text="y más"),
    ]


def test_a_long_session_remembers_a_bounded_number_of_turns() -> None:
    session = TranslatedTurns()

    for number in range(1000):
        session.of_item(f"item_{number}")
        session.of_response(f"resp_{number}", f"item_{number}")
        session.end_response(f"resp_{number}", failed=False)
        session.close_complete()

    assert len(session) < 200
