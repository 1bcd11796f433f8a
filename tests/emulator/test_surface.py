"""What all surfaces have in common: keys are checked first, bodies are JSON, errors have the service's shape."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from compat.emulator import uploads
from compat.emulator.app import create_app
from compat.emulator.engine import NO_HINTS, Engine, Hints, Hypothesis, Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Faults, Hang, Rule
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.running import CHAT, GENERATION, SPOKEN, TRANSCRIPTION, Start, data_uri, wav

KEY = {"authorization": "Bearer sk-test"}
FORM = {"content-type": "multipart/form-data; boundary=b"}
READING = (CHAT, GENERATION, TRANSCRIPTION)
ASK = {
    "model": "qwen3-asr-flash",
    "messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": data_uri(wav(0.2))}}]}],
}


class Failing(Scripted):
    """An engine with a bug."""

    def recognise(
        self,
        sound: Iterable[bytes],
        *,
        speakers: bool = False,
        hints: Hints = NO_HINTS,  # noqa: ARG002 - English only
    ) -> Iterator[Sentence]:
        raise ZeroDivisionError(f"{type(sound)}, {speakers}")


def app(engine: Engine | None = None, **settings: Any) -> Starlette:  # noqa: ANN401 - those of create_app
    return create_app(engine or Scripted([], hypotheses=[[Hypothesis("")]]), **settings)


async def status(made: Starlette, path: str, headers: dict[str, str], *messages: dict[str, Any]) -> int:
    """A POST body that ends after `messages`: reading further is an error."""
    answers: list[Any] = []
    coming = iter(messages)

    async def receive() -> Any:  # noqa: ANN401 - an ASGI message
        return next(coming)

    async def send(message: Any) -> None:  # noqa: ANN401 - an ASGI message
        answers.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in {"host": "localhost", **headers}.items()],
        "server": ("localhost", 80),
        "scheme": "http",
    }
    await made(scope, receive, send)
    return int(answers[0]["status"])


@pytest.mark.parametrize("path", [*READING, "/api/v1/tasks/1", "/api/v1/tasks/1/cancel"])
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer sk-other"}, {"authorization": "Basic c2s="}])
async def test_a_wrong_key_is_refused_before_the_body_is_read(path: str, headers: dict[str, str]) -> None:
    made = app(keys=frozenset({"sk-test"}), faults=Faults((Rule("chat", Hang()),)))

    assert 401 == await status(made, path, headers)
    assert {} == dict(made.state.emulator.counts)


@pytest.mark.parametrize("path", [*READING, "/emulator/faults", uploads.PATH])
async def test_a_body_that_ends_early_is_one_line_in_the_log(path: str, caplog: pytest.LogCaptureFixture) -> None:
    begun: dict[str, Any] = {"type": "http.request", "body": b"--b\r\n", "more_body": True}
    await status(app(), path, {**KEY, **FORM}, begun, {"type": "http.disconnect"})

    [record] = caplog.records
    assert (f"a request's body ended early: POST {path}", None) == (record.getMessage(), record.exc_info)


@pytest.mark.parametrize("path", [*READING, "/emulator/faults"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"model": "\xe9t\xe9"}',
        b'{"\xff": 1}',
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b'{"model": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        *(b'{"model": "qwen3-asr-flash", "x": ' + b"[" * deep + b"]" * deep + b"}" for deep in (300, 900, 990)),
        b"NaN",
        b"1e999999",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_bodies_other_than_json_are_refused(path: str, body: bytes) -> None:
    with TestClient(app(), base_url="http://localhost") as http:
        answer = http.post(path, content=body, headers=KEY)

    assert (400, "application/json") == (answer.status_code, answer.headers["content-type"])


def test_the_size_of_all_bodies_together_is_bounded() -> None:
    size = len(json.dumps(ASK))
    with TestClient(app(limits=Limits(bodies_bytes=size)), base_url="http://localhost") as http:
        answers = [http.post(CHAT, content=json.dumps(ASK) + space, headers=KEY) for space in ("", " ", "")]

    assert [200, 503, 200] == [answer.status_code for answer in answers]
    assert "1" == answers[1].headers["retry-after"]
    assert "bodies_bytes" in answers[1].json()["error"]["message"]


def test_the_emulator_s_own_errors_have_the_service_s_shape(caplog: pytest.LogCaptureFixture) -> None:
    native = {"model": ASK["model"], "input": {"messages": [{"role": "user", "content": [{"audio": data_uri(wav())}]}]}}
    with TestClient(app(Failing([])), base_url="http://localhost") as http:
        chat, generation = http.post(CHAT, json=ASK, headers=KEY), http.post(GENERATION, json=native, headers=KEY)

    assert (500, "internal_error") == (chat.status_code, chat.json()["error"]["code"])
    assert (500, "InternalError") == (generation.status_code, generation.json()["code"])
    assert generation.json()["request_id"] == generation.headers["x-request-id"]
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(("shared", "status"), [(False, "UNKNOWN"), (True, "SUCCEEDED")])
def test_tasks_belong_to_the_key_or_by_a_reading_to_the_account(start: Start, shared: bool, status: str) -> None:
    service = start(SPOKEN, readings=Readings(one_account=shared))
    done = service.transcribe("qwen3-asr-flash-filetrans")
    service.http.headers["authorization"] = "Bearer sk-another"

    assert status == service.query(done["output"]["task_id"])["output"]["task_status"]
