"""Graceful shutdown after SIGTERM, and clean-up after clients that disconnect."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import stamina

from compat.emulator.app import create_app as create_emulator
from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Faults, Hang, Rule
from tests.faults.watch import Left, figures, nothing_is_left
from tests.processes import server_process
from tests.running import RunningServer, running_server
from tests.servers import serve

SENTENCES = (Sentence(text="It was the best of times.", begin_ms=100, end_ms=1500),)


def wait_until_under_way(base_url: str, name: str = "service_calls_under_way") -> None:
    for attempt in stamina.retry_context(on=Left, attempts=200, timeout=10, wait_initial=0.01, wait_max=0.05):
        with attempt:
            if not figures(base_url)[name]:
                raise Left("nothing yet")


def ready(base_url: str) -> bool:
    """Return whether the server is ready. A server that does not respond is not."""
    try:
        return httpx2.get(f"{base_url.removesuffix('/v1')}/readyz", timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False


def test_after_sigterm_requests_finish_and_no_new_ones_are_accepted(tmp_path: Path, speech: bytes) -> None:
    emulator = create_emulator(Scripted(SENTENCES))
    answers: list[str] = []
    with (
        serve(emulator) as root,
        server_process(tmp_path, root) as running,
        httpx2.Client(base_url=running.base_url) as kept,
    ):
        kept.get("/models").raise_for_status()
        emulator.state.emulator.faults.arm(Faults((Rule("chat", Hang(1.5)),)))

        def ask() -> None:
            with running.client() as client:
                answers.append(client.audio.transcriptions.create(model="whisper-1", file=("a.wav", speech)).text)

        asking = threading.Thread(target=ask)
        asking.start()
        wait_until_under_way(running.base_url)
        running.process.send_signal(signal.SIGTERM)
        while ready(running.base_url):
            pass
        asking.join()
        code = running.process.wait(timeout=20)

    assert ["It was the best of times."] == answers
    assert code in (0, -signal.SIGTERM)
    assert [] == [path for path in tmp_path.iterdir() if path.name != "state"]


def test_requests_are_accepted_during_the_drain_delay(tmp_path: Path, speech: bytes) -> None:
    with (
        serve(create_emulator(Scripted(SENTENCES))) as root,
        server_process(tmp_path, root, COMPAT_DRAIN_DELAY="600") as running,
    ):
        assert ready(running.base_url)
        running.process.send_signal(signal.SIGTERM)
        while ready(running.base_url):
            pass
        refused = httpx2.get(f"{running.base_url.removesuffix('/v1')}/readyz")
        with running.client() as client:
            text = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", speech)).text
        running.process.send_signal(signal.SIGINT)  # ends the drain delay
        running.process.wait(timeout=60)

    assert (503, "It was the best of times.") == (refused.status_code, text)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    spool = tmp_path_factory.mktemp("spool")
    with running_server(Scripted(SENTENCES), spool=spool, long_road="filetrans") as opened:
        yield opened, spool


def request(speech: bytes, **fields: str) -> bytes:
    parts = [
        f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in {"model": "whisper-1", **fields}.items()
    ]
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    body = b"".join([*parts, head, speech, b"\r\n--b--\r\n"])
    return (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: [::1]\r\ncontent-type: multipart/form-data; boundary=b\r\n"
        b"content-length: %d\r\n\r\n%s" % (len(body), body)
    )


PLACES = [
    # bytes of the request that are sent, its fields, the surface of the service that hangs meanwhile
    ("in the head", 40, {}, None),
    ("in the fields", 250, {}, None),
    ("in the file", 20_000, {}, None),
    ("before the response", None, {}, "chat"),
    ("in a stream", None, {"stream": "true"}, "chat"),
    ("at the policy", None, {"response_format": "srt"}, "policy"),
    ("at the upload", None, {"response_format": "srt"}, "store"),
    ("at the submission", None, {"response_format": "srt"}, "submit"),
    ("at the query", None, {"response_format": "srt"}, "query"),
    ("at the result", None, {"response_format": "srt"}, "result"),
]


@pytest.mark.parametrize(("sent", "fields", "surface"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES])
def test_a_client_that_disconnects_leaves_nothing_behind(
    server: tuple[RunningServer, Path], speech: bytes, sent: int | None, fields: dict[str, str], surface: str | None
) -> None:
    opened, spool = server
    before = figures(opened.base_url)
    if surface:
        opened.fail(Rule(surface, Hang(), times=None))  # type: ignore[arg-type]  # a name of the table above
    host, port = opened.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(request(speech, **fields)[:sent])
        if surface:
            for attempt in stamina.retry_context(on=Left, attempts=200, timeout=10, wait_max=0.05):
                with attempt:
                    if not opened.dashscope.counts[surface]:
                        raise Left("nothing yet")

    nothing_is_left(opened.base_url, spool, before, opened.service)
    opened.fail()
    opened.dashscope.counts.clear()
    assert opened.client().audio.transcriptions.create(model="whisper-1", file=("a.wav", speech)).text
