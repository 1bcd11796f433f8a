"""Conversations with the state machine of a run-task socket: successive tasks, results and failures."""

from __future__ import annotations

import json
import math

import pytest

from compat.emulator.inference.session import UNREADABLE
from compat.emulator.realtime.connection import Over
from tests.emulator.inference.dialogue import AUDIO, TASK, Dialogue, finals, finish, names, pieces, run, sentence, whole
from tests.emulator.realtime.talk import Event, silence, spoken

ONE = ["started", "partial", "final", "partial", "final", "finished"]


@pytest.mark.parametrize("size", [1_920, 3_200, 12_800, 1_000_000])
def test_a_whole_task(size: int) -> None:
    dialogue = Dialogue()
    events = whole(dialogue, size=size)

    assert ONE == names(events)
    assert ["amber basil", "cedar"] == finals(events)
    assert {TASK} == {event["header"]["task_id"] for event in events}
    assert (1, 2, True) == (dialogue.record.tasks, dialogue.record.items, dialogue.record.finished)


def test_the_record_is_complete_at_the_last_event() -> None:
    dialogue = Dialogue()
    dialogue.say(run(), *pieces(AUDIO))
    for event in dialogue.session.receive(json.dumps(finish())):
        if event.header.event == "task-finished":
            break  # as a client that leaves

    assert (2, True, len(AUDIO) // 32) == (dialogue.record.items, dialogue.record.finished, dialogue.record.audio_ms)


def test_the_events_have_the_documented_members() -> None:
    started, *results, finished = whole(Dialogue())

    assert {"header": {"task_id": TASK, "event": "task-started", "attributes": {}}, "payload": {}} == started
    assert {"output": {}, "usage": {"duration": math.ceil(len(AUDIO) / 32_000)}} == finished["payload"]
    [final] = [event for event in results if event["payload"]["usage"] and sentence(event)["sentence_id"] == 2]
    begin = len(spoken("amber", "basil")) // 32 + 1_500 + 200
    assert {
        "begin_time": begin,
        "end_time": begin + 160,
        "text": "cedar",
        "words": [{"begin_time": begin, "end_time": begin + 160, "text": "cedar", "punctuation": ""}],
        "heartbeat": False,
        "sentence_id": 2,
        "sentence_begin": False,
        "sentence_end": True,
    } == sentence(final)


def test_partial_results_have_the_whole_sentence_and_are_revised() -> None:
    events = whole(Dialogue(), spoken("amber", "basil", "cedar", "dusty") + silence(1_500))
    results = [sentence(event) for event in events[1:-1]]

    assert ["amber", "amber basil", "amber basil basil", "amber basil cedar dusty"] == [
        one["text"] for one in results[:-1]
    ]
    assert [True, False, False, False, False] == [one["sentence_begin"] for one in results]
    assert [None] * 4 == [one["end_time"] for one in results[:-1]]
    assert [one["text"].split() for one in results] == [[word["text"] for word in one["words"]] for one in results]


def test_each_task_on_a_socket_starts_from_zero() -> None:
    dialogue = Dialogue()
    turns = [whole(dialogue, task_id=f"task {number}") for number in range(3)]

    assert [ONE] * 3 == [names(turn) for turn in turns]
    assert 1 == len({json.dumps([sentence(event) for event in turn[1:-1]]) for turn in turns})
    assert 3 == dialogue.record.tasks


@pytest.mark.parametrize("task_id", ["2bf83b9a-baeb-4fda-8d9a-000000000001", "2bf83b9abaeb4fda8d9a", "1", "任务", 7])
def test_any_task_id_is_accepted(task_id: object) -> None:
    dialogue = Dialogue()

    assert ONE == names(dialogue.say(run(task_id), *pieces(AUDIO), finish(task_id)))


def test_common_deviations_of_clients_are_accepted() -> None:
    dialogue = Dialogue()
    events = dialogue.say(
        b"\0\0" * 100,
        run(given=[], vocabulary_id=""),
        *pieces(AUDIO),
        finish(),
        finish(),
        b"\0\0" * 100,
        run("next", vocabulary_id=None),
        *pieces(AUDIO),
        finish("next"),
    )

    assert [*ONE, *ONE] == names(events)


@pytest.mark.parametrize(
    "raw",
    ["", "{", "[]", '{"header":{}}', json.dumps(run() | {"payload": {}}), json.dumps({"header": {"action": "x"}})],
)
def test_an_unreadable_message_closes_the_socket(raw: str) -> None:
    with pytest.raises(Over) as over:
        list(Dialogue().session.receive(raw))

    assert UNREADABLE == (over.value.code, over.value.reason)


def without(name: str) -> Event:
    message = run()
    del message["payload"][name]
    return message


@pytest.mark.parametrize(
    ("message", "code", "error"),
    [
        (without("model"), "InvalidParameter", "Missing required parameter 'payload.model'!"),
        (without("task"), "InvalidParameter", "Missing required parameter 'payload.task'!"),
        (run(model="qwen9"), "ModelNotFound", "Model can not be found."),
        (run(model="gummy-realtime-v1"), "ModelNotFound", "Model can not be found."),
        (run(format="flac"), "UNSUPPORTED_FORMAT", "format"),
        (run(model="paraformer-realtime-8k-v2"), "NO_VALID_AUDIO_ERROR", "sample_rate 16000"),
        (run(max_sentence_silence=100), "InvalidParameter", "max_sentence_silence"),
        (finish(), "InvalidParameter", "is not running"),
    ],
)
def test_an_invalid_action_fails_the_task(message: Event, code: str, error: str) -> None:
    [event] = Dialogue().say(message)

    assert "task-failed" == event["header"]["event"]
    assert code == event["header"]["error_code"]
    assert error in event["header"]["error_message"]
