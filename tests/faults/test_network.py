"""Network faults, from a raw TCP peer instead of the service: the error that OpenAI's SDK raises, and the retries."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from compat.app import create_app
from compat.config.settings import Settings
from tests.faults.watch import figures, nothing_is_left
from tests.servers import serve
from tests.witnesses import free_port

BODY = b'{"choices":[{"message":{"content":"hello"}}],"usage":{"seconds":1}}'
OK = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
RESET, TRICKLE = b"RESET", b"TRICKLE"
HANDSHAKE, NO_TLS = b"\x16", b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"
HEAD, LENGTH = OK[:30], len(OK)

FAULT = openai.InternalServerError
ENDLESS = b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n{"
NO_CHUNK = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense"
REDIRECT = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
# responses of the peer, one per connection → class and code of the SDK's error, the number of connections
PLAYS: list[tuple[list[bytes | None], type[openai.APIError] | None, str | None, int]] = [
    ([OK], None, None, 1),
    ([RESET, OK], None, None, 2),
    ([b"", OK], None, None, 2),
    ([b"SSH-2.0-OpenSSH_9.2\r\n", OK], None, None, 2),
    ([TRICKLE], None, None, 1),
    ([RESET, RESET, OK], FAULT, "upstream_error", 2),
    ([HEAD, HEAD, OK], FAULT, "upstream_error", 2),
    ([OK[: LENGTH - 5], OK], None, None, 2),
    ([ENDLESS, ENDLESS, OK], FAULT, "upstream_error", 2),
    ([NO_CHUNK, NO_CHUNK, OK], FAULT, "upstream_error", 2),
    ([REDIRECT, REDIRECT, OK], FAULT, "upstream_error", 2),
    ([None, OK], FAULT, "upstream_timeout", 1),
]


def received(connection: socket.socket) -> bytes:
    if not (some := connection.recv(65536)):
        raise ConnectionError
    return some


class Peer:
    """Reads a request per connection and sends the next of `answers`.

    None is no response and RESET a connection reset. TRICKLE is a correct response that is sent slowly: each byte
    arrives within the answer timeout, but the whole response takes longer than that.
    """

    def __init__(self) -> None:
        self.answers: Iterator[bytes | None] = iter(())
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def play(self, answers: list[bytes | None]) -> None:
        self.answers, self.connections = iter(answers), 0

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                with connection, contextlib.suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        head = received(connection)
        if head.startswith(HANDSHAKE):
            connection.sendall(NO_TLS)
            return
        while b"\r\n\r\n" not in head:
            head += received(connection)
        head, _, body = head.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        while len(body) < length:
            body += received(connection)
        answer = next(self.answers, OK)
        if answer is None:
            connection.recv(1)
        elif answer == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif answer == TRICKLE:
            for at in range(0, LENGTH, 10):
                connection.sendall(OK[at : at + 10])
                threading.Event().wait(0.08)
        else:
            connection.sendall(answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    opened = Peer()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


@contextlib.contextmanager
def front(root: str, spool: Path) -> Iterator[str]:
    settings = Settings(
        base_url=root, dashscope_api_key="k", spool=spool, attempts=2, answer_timeout=1.0, breaker_failures=1000
    )
    with serve(create_app(settings)) as address:
        yield f"{address}/v1"


@pytest.fixture(scope="module")
def base_url(peer: Peer, spool: Path) -> Iterator[str]:
    with front(f"http://127.0.0.1:{peer.port}", spool) as opened:
        yield opened


def transcribe(base_url: str, speech: bytes) -> str:
    with openai.OpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
        return client.audio.transcriptions.create(model="whisper-1", file=("a.wav", speech)).text


@pytest.mark.parametrize(("answers", "error", "code", "connections"), PLAYS)
def test_a_network_fault_is_retried_or_reported_and_leaves_nothing_behind(
    base_url: str,
    peer: Peer,
    spool: Path,
    speech: bytes,
    answers: list[bytes | None],
    error: type[openai.APIError] | None,
    code: str | None,
    connections: int,
) -> None:
    before = figures(base_url)
    peer.play(answers)
    if error is None:
        assert "hello" == transcribe(base_url, speech)
    else:
        with pytest.raises(error) as caught:
            transcribe(base_url, speech)
        assert code == caught.value.code

    assert connections == peer.connections
    nothing_is_left(base_url, spool, before)
    peer.play([OK])
    assert "hello" == transcribe(base_url, speech)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_service_that_refuses_connections_or_has_no_tls_is_unavailable(
    peer: Peer, tmp_path: Path, speech: bytes, scheme: str
) -> None:
    port = free_port() if scheme == "http" else peer.port
    with front(f"{scheme}://127.0.0.1:{port}", tmp_path) as base_url:
        before = figures(base_url)
        with pytest.raises(openai.InternalServerError) as caught:
            transcribe(base_url, speech)

        assert (503, "service_unavailable") == (caught.value.status_code, caught.value.code)
        nothing_is_left(base_url, tmp_path, before)
