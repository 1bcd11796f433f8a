"""The HTTP client of DashScope against a raw TCP peer with scripted responses."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import httpx2
import msgspec
import pytest
import uvloop

from compat.config.principal import Principal
from compat.dashscope_api.calls import Call, File, json_call
from compat.errors import (
    AnswerCutOff,
    CompatError,
    NotAuthenticated,
    RateLimited,
    ServiceFailed,
    ServiceTimedOut,
    ServiceUnavailable,
)
from compat.observability.metrics import Metrics
from compat.upstream.breaker import Breaker
from compat.upstream.guard import Guard
from compat.upstream.http import ANSWER, BLOCK, REFUSAL, Service, translated
from compat.upstream.lag import LoopLag

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
LIMITED = b"HTTP/1.1 429 Too Many\r\nretry-after-ms: 10\r\ncontent-length: 21\r\n\r\n" + b'{"code":"Throttling"}'
BROKEN = b"HTTP/1.1 500 Oops\r\ncontent-length: 24\r\n\r\n" + b'{"code":"InternalError"}'
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 29\r\n\r\n" + b'{"code":"ServiceUnavailable"}'
REFUSED = b"HTTP/1.1 401 No\r\ncontent-length: 24\r\n\r\n" + b'{"code":"InvalidApiKey"} '[:24]
CUT = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"
NOTHING = b""
NONSENSE = b"SSH-2.0-OpenSSH_9.2\r\n"


class Peer:
    """Answers each request with the next of `answers`, and records the requests. None means no response."""

    def __init__(self, answers: Sequence[bytes | None]) -> None:
        self._answers = iter(answers)
        self.requests: list[bytes] = []
        self.silent = asyncio.Event()
        self.handlers: list[asyncio.Task[None] | None] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.handlers.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                self.requests.append(head + await reader.readexactly(int(length or 0)))
                answer = next(self._answers)
                if answer is None:  # wait until the client disconnects
                    self.silent.set()
                    await reader.read()
                    break
                writer.write(answer)
                if answer in (CUT, NOTHING, NONSENSE):
                    break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def peer(
    *answers: bytes | None,
    attempts: int = 3,
    connect_timeout: float = 20,
    answer_timeout: float | None = None,
    guard: Guard | None = None,
    lag: LoopLag | None = None,
) -> AsyncIterator[tuple[Peer, Service]]:
    """Start a peer, and a Service that calls it. The answer timeout is short if one of the answers is None."""
    started = Peer(answers)
    server = await asyncio.start_server(started.handle, "127.0.0.1", 0)
    service = Service(
        f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        connect_timeout=connect_timeout,
        answer_timeout=answer_timeout or (1.0 if None in answers else 20.0),
        attempts=attempts,
        guard=guard,
        lag=lag,
    )
    async with server:
        try:
            yield started, service
        finally:
            await service.close()
            await asyncio.gather(*[handler for handler in started.handlers if handler])


ASK = json_call("/api", {"a": 1})
SUBMIT = json_call("/api", {"a": 1}, repeatable=False)

CONVERSATIONS: list[tuple[Call, list[bytes | None], type[CompatError] | None, int]] = [
    # the call, the peer's responses → the error raised, the number of requests
    (ASK, [OK], None, 1),
    (ASK, [BROKEN, OK], None, 2),
    (ASK, [LIMITED, BUSY, OK], None, 3),
    (ASK, [BROKEN, BROKEN, BROKEN, OK], ServiceFailed, 3),
    (ASK, [LIMITED, LIMITED, LIMITED, OK], RateLimited, 3),
    (ASK, [NOTHING, OK], None, 2),
    (ASK, [NONSENSE, OK], None, 2),
    (ASK, [CUT, OK], None, 2),
    (SUBMIT, [CUT, OK], ServiceFailed, 1),
    (ASK, [REFUSED, OK], NotAuthenticated, 1),
    (ASK, [None], ServiceTimedOut, 1),
    (SUBMIT, [LIMITED, BUSY, OK], None, 3),
    (SUBMIT, [BROKEN, OK], ServiceFailed, 1),
    (SUBMIT, [NOTHING, OK], ServiceFailed, 1),
]


async def test_a_call_may_be_given_up_sooner_than_others() -> None:
    hasty = msgspec.structs.replace(ASK, within=0.05)
    async with peer(None, OK, answer_timeout=600) as (_, service):
        with pytest.raises(ServiceTimedOut):
            await service.send(hasty, Principal("k"))

        assert b"{}" == (await service.send(ASK, Principal("k"))).body


@pytest.mark.parametrize(("call", "answers", "error", "asked"), CONVERSATIONS)
async def test_only_calls_that_may_succeed_and_do_no_harm_are_repeated(
    call: Call, answers: list[bytes | None], error: type[CompatError] | None, asked: int
) -> None:
    async with peer(*answers) as (upstream, service):
        if error is None:
            assert b"{}" == (await service.send(call, Principal("k"))).body
        else:
            with pytest.raises(error):
                await service.send(call, Principal("k"))

        assert asked == len(upstream.requests)


def test_a_connect_timeout_caused_by_a_blocked_loop_is_not_a_failure_of_the_service() -> None:
    """Other callers' uploads may block the loop for longer than the connect timeout, several times in a row.

    The test uses uvloop, as the server does. asyncio's own loop leaks the socket of a connection that is cancelled in
    the iteration in which it is made.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert ([b"{}"], True) == runner.run(_call_on_a_blocked_loop())


async def _call_on_a_blocked_loop() -> tuple[list[bytes], bool]:
    """Return the response bodies, and whether the breaker is still closed."""
    brief, lag = 0.05, LoopLag(interval=0.001)
    guard = Guard(Metrics(region="beijing", prices={}), breaker=lambda _: Breaker(failures=1, pause=60))
    async with peer(OK, attempts=8, connect_timeout=brief, answer_timeout=60, guard=guard, lag=lag) as (_, service):
        measuring = asyncio.create_task(lag.measure(lambda _: None))
        sending = asyncio.create_task(service.send(ASK, Principal("k")))
        for _ in range(8):
            await asyncio.sleep(0)
            time.sleep(brief * 2)  # noqa: ASYNC251 - blocks the loop on purpose
        try:
            return [(await sending).body], guard.closed("api")
        finally:
            measuring.cancel()


async def test_a_refused_connection_is_service_unavailable() -> None:
    service = Service("http://127.0.0.1:9", connect_timeout=1, answer_timeout=1, attempts=2)
    with pytest.raises(ServiceUnavailable, match="cannot be reached"):
        await service.send(ASK, Principal("k"))
    await service.close()


async def test_the_key_goes_to_the_service_and_nowhere_else() -> None:
    async with peer(OK, OK) as (upstream, service):
        await service.send(ASK, Principal("secret"))
        await service.send(Call(method="GET", url="/result", key=False), Principal("secret"))

    assert [True, False] == [b"authorization: Bearer secret" in request for request in upstream.requests]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000, BLOCK, BLOCK * 9 + 1])
@pytest.mark.parametrize("as_base64", [True, False])
@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_file_in_a_body_is_sent_completely(tmp_path: Path, size: int, as_base64: bool, in_memory: bool) -> None:
    content = os.urandom(size)
    path = tmp_path / "file"
    if not (in_memory and size):
        path.write_bytes(content)
    call = Call(method="POST", url="/", body=(b"<", File(path, size, as_base64, memoryview(content * in_memory)), b">"))

    async with peer(OK) as (upstream, service):
        await service.send(call, Principal("k"))

    sent = base64.b64encode(content) if as_base64 else content
    assert b"<" + sent + b">" == upstream.requests[0].partition(b"\r\n\r\n")[2]


async def test_an_interrupted_stream_raises_answer_cut_off() -> None:
    chunks: list[bytes] = []
    async with peer(CUT) as (_, service):
        with pytest.raises(AnswerCutOff, match="lost"):
            await _drain(service.stream(ASK, Principal("k")), chunks)

    assert [b"{"] == chunks


def long(status: bytes, size: int, encoding: bytes = b"") -> bytes:
    body = b" " * size
    body = gzip.compress(body, 1) if encoding else body
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n%b\r\n" % (status, len(body), encoding) + body


GZIP = b"content-encoding: gzip\r\n"
LONG: list[tuple[bytes, int, bytes, type[CompatError]]] = [
    (b"200 OK", ANSWER + 1, b"", ServiceFailed),
    (b"200 OK", 10 * ANSWER, GZIP, ServiceFailed),
    (b"401 No", 10 * REFUSAL, b"", NotAuthenticated),
    (b"500 Oops", 100 * REFUSAL, GZIP, ServiceFailed),
]


@pytest.mark.parametrize(("status", "size", "encoding", "error"), LONG)
async def test_a_response_is_read_up_to_a_bound(
    status: bytes, size: int, encoding: bytes, error: type[CompatError]
) -> None:
    async with peer(long(status, size, encoding)) as (_, service):
        with pytest.raises(error):
            await service.send(SUBMIT, Principal("k"))


async def test_a_compressed_stream_is_decompressed() -> None:
    chunks: list[bytes] = []
    async with peer(long(b"200 OK", 1000, GZIP)) as (_, service):
        await _drain(service.stream(ASK, Principal("k")), chunks)

    assert b" " * 1000 == b"".join(chunks)


async def _drain(stream: AsyncIterator[bytes], into: list[bytes]) -> None:
    async for chunk in stream:
        into.append(chunk)  # noqa: PERF401 - keeps the chunks before an error


def tree(error: type[Exception]) -> Iterator[type[Exception]]:
    yield error
    for child in error.__subclasses__():
        yield from tree(child)


@pytest.mark.parametrize("foreign", [*tree(httpx2.RequestError), httpx2.InvalidURL], ids=lambda error: error.__name__)
def test_every_exception_of_the_client_is_translated(foreign: type[httpx2.RequestError]) -> None:
    error = translated(foreign("https://secret.example/?token=1"))

    assert isinstance(error, ServiceFailed | ServiceTimedOut | ServiceUnavailable)
    assert error.retryable
    assert "secret" not in error.message
    assert "dashscope" not in translated(foreign("x"), "the local engine").message.lower()
