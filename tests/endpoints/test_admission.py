"""Admission control: requests that overload or shutdown refuses, and work that continues."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from compat.config.principal import Party
from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.endpoints.admission import Admission, AdmissionMiddleware
from compat.errors import BudgetSpent, Overloaded, ServiceUnavailable
from compat.upstream.shares import Shares
from tests.running import running_server

SENTENCES = (Sentence(text="It was the best of times.", begin_ms=100, end_ms=900),)


def connection(kind: str = "http", method: str = "POST") -> HTTPConnection:
    return HTTPConnection({"type": kind, "method": method, "headers": [], "state": {"stay": contextlib.ExitStack()}})


A, B = (Party(name, alone=False) for name in "ab")


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_caller_s_share_is_below_the_bound_and_released_shares_are_reusable(kind: str) -> None:
    admission = Admission(requests=Shares(4), sessions=Shares(4))
    inside = [connection(kind) for _ in range(2)]
    for each in inside:
        admission.enter(each, A)
    with pytest.raises(Overloaded, match="allows one caller"):
        admission.enter(connection(kind), A)
    admission.enter(connection(kind), B)
    admission.enter(connection(kind), Party("c", alone=False))
    with pytest.raises(Overloaded, match="reached its limit") as caught:
        admission.enter(connection(kind), Party("d", alone=False))
    inside[0].state.stay.close()
    admission.enter(connection(kind), Party("d", alone=False))

    assert ("overloaded", 1.0) == (caught.value.code, caught.value.retry_after)
    assert {0, 4} == {admission.requests.used, admission.sessions.used}


def test_a_key_s_concurrency_limits_its_live_sessions() -> None:
    admission = Admission(requests=Shares(9), sessions=Shares(9))
    party = Party("a", concurrency=2)
    inside = [connection("websocket") for _ in range(2)]
    for each in inside:
        admission.enter(each, party)
    with pytest.raises(BudgetSpent, match="may have 2 live sessions at a time"):
        admission.enter(connection("websocket"), party)
    for _ in range(3):
        admission.enter(connection(), party)  # requests wait for their calls instead
    admission.enter(connection("websocket"), B)
    inside[0].state.stay.close()
    admission.enter(connection("websocket"), party)


def test_a_single_caller_may_use_the_whole_bound() -> None:
    admission = Admission(requests=Shares(4), sessions=Shares(0))
    for _ in range(4):
        admission.enter(connection(), Party("only"))
    with pytest.raises(Overloaded, match="reached its limit"):
        admission.enter(connection(), Party("only"))


async def test_a_caller_s_share_is_released_with_its_request() -> None:
    admission = Admission(requests=Shares(1), sessions=Shares(1))

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        admission.enter(HTTPConnection(scope), A)
        assert 1 == admission.requests.used
        raise ConnectionError

    async def receive() -> Message:
        raise AssertionError

    async def send(_: Message) -> None:
        raise AssertionError

    for _ in range(2):
        with pytest.raises(ConnectionError):
            await AdmissionMiddleware(app)({"type": "http", "method": "POST", "headers": []}, receive, send)
    assert 0 == admission.requests.used


@pytest.mark.parametrize("begun", [False, True])
async def test_a_request_cancelled_by_shutdown_gets_503_unless_its_response_has_started(begun: bool) -> None:
    sent: list[Message] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise asyncio.CancelledError

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        if sent and message["type"] == "http.response.start":
            raise RuntimeError("as uvicorn has it")
        sent.append(message)

    with pytest.raises(asyncio.CancelledError) if begun else contextlib.nullcontext():
        await AdmissionMiddleware(app)({"type": "http", "method": "POST", "headers": []}, receive, send)

    assert (200 if begun else 503) == sent[0]["status"]
    assert begun or "shutting_down" == json.loads(sent[1]["body"])["error"]["code"]


def test_a_server_that_shuts_down_accepts_no_new_work() -> None:
    admission = Admission(requests=Shares(1), sessions=Shares(1))
    admission.leaving = True

    with pytest.raises(ServiceUnavailable) as caught:
        admission.enter(connection(), A)
    admission.enter(connection(method="GET"), A)

    assert ("shutting_down", 1.0) == (caught.value.code, caught.value.retry_after)


def test_the_sdk_gets_503_with_retry_after_beyond_the_bound(speech: bytes) -> None:
    over = threading.Event()
    with running_server(Scripted(SENTENCES, before=lambda _: over.wait(60)), max_requests=1) as small:
        root, client = small.base_url.removesuffix("/v1"), small.client()

        def ask() -> str:
            return client.audio.transcriptions.create(model="whisper-1", file=("a.wav", speech)).text

        with ThreadPoolExecutor(1) as threads:
            first = threads.submit(ask)
            while "compat_requests_under_way 1.0" not in httpx2.get(f"{root}/metrics").text:
                pass
            with pytest.raises(openai.InternalServerError) as caught:
                ask()
            health = httpx2.get(f"{root}/healthz").status_code
            over.set()

            assert SENTENCES[0].text == first.result()
        assert SENTENCES[0].text == ask()

    assert (503, "overloaded", "1") == (
        caught.value.status_code,
        caught.value.code,
        caught.value.response.headers["retry-after"],
    )
    assert 200 == health
