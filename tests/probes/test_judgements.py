"""From what the service answered to a reading: one row for each kind of answer."""

from __future__ import annotations

from typing import Any

import pytest

from compat.dashscope_api.calls import Reply
from compat.probes.availability import absent
from compat.probes.files import times_utc
from compat.probes.inline import audio3_shape, chat_readings, cumulative, rate_headers, status_line, unfinished
from compat.probes.live import settled
from compat.probes.probe import error_rate, named
from compat.probes.steps import refusal
from compat.probes.tasks import sentence_readings, transcript_of

NOW = 1_795_000_000.0  # 2026-11-18 11:06:40 UTC


@pytest.mark.parametrize(
    ("message", "usage", "expected"),
    [
        ({"annotations": [{"language": "en"}]}, {"seconds": 8}, (True, True)),
        ({"annotations": []}, {"prompt_tokens": 200}, (False, False)),
        ({}, None, (False, False)),
    ],
)
def test_chat(message: object, usage: object, expected: tuple[bool, bool]) -> None:
    found = chat_readings({"choices": [{"message": message}], "usage": usage})

    assert expected == (found["annotations"], found["seconds"])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["id:1", "event:result", ":HTTP_STATUS/200", "data:{}"], "comment"),
        (["id:1", "status:200", "data:{}"], "field"),
        (["id:1", 'data:{"text": "status:200"}'], "absent"),
        ([], "absent"),
    ],
)
def test_the_status_line(lines: list[str], expected: str) -> None:
    assert expected == status_line(lines)


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (["null", "null", "stop"], {"finish_reason_string": True}),
        ([None, "stop"], {"finish_reason_string": False}),
        (["stop"], {}),
        ([], {}),
    ],
)
def test_the_finish_reason(reasons: list[str | None], expected: object) -> None:
    assert expected == unfinished(reasons)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"output": {"text": ""}}, "output"),
        ({"output": {"output": {"text": "one"}}}, "nested"),
        ({"text": "one"}, "top"),
        ({"output": []}, None),
    ],
)
def test_the_place_of_a_result(body: dict[str, Any], expected: str | None) -> None:
    assert expected == audio3_shape(body)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["One", "One two", "One two three"], {"mt_flash_cumulative": True}),
        (["One", " two", " three"], {"mt_flash_cumulative": False}),
        (["One two three"], {}),
    ],
)
def test_chunks_of_a_translation(texts: list[str], expected: object) -> None:
    assert expected == cumulative(texts)


@pytest.mark.parametrize(
    ("stamp", "now", "expected"),
    [
        ("2026-11-18 11:06:40.123", NOW, {"task_times_utc": True}),
        ("2026-11-18 19:06:40.123", NOW, {"task_times_utc": False}),
        ("2026-11-18 15:06:40", NOW, {}),
        ("2026-11-18 11:06:40", None, {}),
        ("soon", NOW, {}),
        (None, NOW, {}),
    ],
)
def test_the_zone_of_a_time(stamp: object, now: float | None, expected: object) -> None:
    assert expected == times_utc(stamp, now)


def snapshots(*texts: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"item_id": "1", "text": text, "stash": stash} for text, stash in texts]


@pytest.mark.parametrize(
    ("texts", "final", "expected"),
    [
        ([("", "One"), ("One", "two"), ("One two.", "")], "One two, three.", {"live.text": "prefix"}),
        ([("", "One"), ("", "One two")], "One two.", {"live.text": "at_end"}),
        ([("One", ""), ("Won two", "")], "Won two.", {"live.text": "revised"}),
        ([("One", ""), ("One too", "")], "One two.", {"live.text": "revised"}),
        ([], "One two.", {}),
    ],
)
def test_the_text_of_snapshots(texts: list[tuple[str, str]], final: str, expected: object) -> None:
    assert expected == settled(snapshots(*texts), [{"item_id": "1", "transcript": final}])


def result(number: int, text: str, tokens: int | None = 100, **members: object) -> dict[str, Any]:
    sentence = {"sentence_id": number, "text": text, "sentence_end": True, "end_time": 900} | members
    usage = None if tokens is None else {"input_tokens": tokens, "duration": 3}
    return {"header": {"event": "result-generated"}, "payload": {"output": {"sentence": sentence}, "usage": usage}}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([result(1, "One.", 100), result(2, "Two.", 160)], ("both", "once", "cumulative")),
        ([result(1, "One.", 100), result(2, "Two.", 70)], ("both", "once", "sentence")),
        ([result(1, "One.", end_time=None)], ("sentence_end", "once", None)),
        ([result(1, "One.", sentence_end=False)], ("end_time", "once", None)),
        ([result(1, "One."), result(1, "One.")], ("both", "twice", None)),
        ([result(1, "One."), result(1, "Won.")], ("both", "revised", None)),
        ([result(1, "One.", None), result(2, "Two.", None, end_time=None)], (None, "once", None)),
    ],
)
def test_final_results(results: list[Any], expected: tuple[str | None, ...]) -> None:
    found = sentence_readings(results)

    names = ("inference.final_sign", "inference.finals", "inference.usage")
    assert {name: value for name, value in zip(names, expected, strict=True) if value} == found


def test_partial_results_and_heartbeats_are_not_heard() -> None:
    partial = result(1, "On", sentence_end=False, end_time=None)
    assert "One. Two." == transcript_of(
        [partial, result(1, "One."), result(1, "Won."), result(0, "?", heartbeat=True), result(2, "Two.")]
    )


@pytest.mark.parametrize(
    ("spoken", "text", "expected"),
    [
        ("One two, three four.", "one TWO three. Four", 0.0),
        ("one two three four", "one too three four", 0.25),
        ("one two three four", "one two", 0.5),
        ("one two", "one one two two", 1.0),
        ("one two", "", 1.0),
    ],
)
def test_the_word_error_rate(spoken: str, text: str, expected: float) -> None:
    assert expected == error_rate(spoken, text)


def test_a_hint_acts_if_the_whole_name_is_spelt_as_hinted() -> None:
    assert named("and kaitlynn smythe opened")
    assert not named("Caitlin Smythe opened")


@pytest.mark.parametrize(
    ("code", "message", "status", "expected"),
    [
        ("InvalidParameter", "The audio is empty", 400, False),
        ("", "Model not exist.", 400, True),
        ("Model.AccessDenied", "", 400, True),
        ("", "the task is refused: task-failed ModelNotFound", 400, True),
        ("model_not_found", "", 404, True),
    ],
)
def test_a_model_that_the_account_does_not_have(code: str, message: str, status: int, expected: bool) -> None:
    assert expected == absent(code, message, status)


def test_a_refusal_and_its_rate_headers() -> None:
    body = b'{"error": {"code": "limit_requests", "message": "secret"}}'

    assert "HTTP 429, limit_requests" == refusal(Reply(status=429, body=body))
    assert "HTTP 502" == refusal(Reply(status=502, body=b"<html>"))
    assert "rate headers: retry-after x-ratelimit-limit-requests" == rate_headers(
        {"x-ratelimit-limit-requests": "5", "retry-after": "1", "date": "today"}
    )
    assert "rate headers: none" == rate_headers({"date": "today"})
