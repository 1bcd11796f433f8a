"""Liveness, readiness and metrics, with the service in every state."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from compat.config.parsers import proxies
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Hang, Refuse, Rule
from tests.audio import media
from tests.running import RunningServer, running_server
from tests.witnesses import free_port


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(Scripted(())) as opened:
        yield opened


def get(server: RunningServer, path: str, key: str | None = None) -> httpx2.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx2.get(server.base_url.removesuffix("/v1") + path, headers=headers, timeout=10)


def test_a_server_with_a_working_service_is_ready(server: RunningServer) -> None:
    answers = [get(server, "/readyz") for _ in range(3)]

    assert [200, 200, 200] == [answer.status_code for answer in answers]
    assert {"status": "ready"} == answers[0].json()
    assert 1 == server.dashscope.counts["query"]  # the result of the first check is reused


@pytest.mark.parametrize("fault", [Refuse(500, "InternalError"), Refuse(401, "InvalidApiKey"), Hang()])
def test_a_server_with_a_failing_service_is_healthy_and_not_ready(server: RunningServer, fault: Refuse | Hang) -> None:
    server.fail(Rule("query", fault, times=None))

    assert (200, 503) == (get(server, "/healthz").status_code, get(server, "/readyz").status_code)


def test_a_server_with_an_unreachable_service_is_not_ready() -> None:
    with running_server(Scripted(()), base_url=f"http://127.0.0.1:{free_port()}", attempts=1) as server:
        answer = get(server, "/readyz")

    assert (503, "not ready") == (answer.status_code, answer.json()["status"])
    assert "127.0.0.1" not in answer.text


HANDSHAKE = b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
V13 = b"sec-websocket-version: 13\r\n"
REFUSED = {
    "no HTTP": (b"\x16\x03\x01\r\n\r\n", 400, "invalid_http"),
    "a long head": (
        b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 70_000 + b"\r\n\r\n", 431, "request_header_fields_too_large",
    ),
    "no handshake": (b"GET /v1/realtime HTTP/1.1\r\nhost: [::1]\r\n" + HANDSHAKE + b"\r\n", 400, "invalid_handshake"),
    "no such session": (b"GET /v2 HTTP/1.1\r\nhost: [::1]\r\n" + HANDSHAKE + V13 + b"\r\n", 404, "unknown_url"),
    "a foreign page": (
        b"GET /v1/realtime HTTP/1.1\r\nhost: localhost\r\norigin: http://y\r\n" + HANDSHAKE + V13 + b"\r\n",
        403, "permission_denied",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_metrics_count_connections_refused_before_they_become_requests(
    server: RunningServer, sent: bytes, status: int, code: str
) -> None:
    host, _, port = server.base_url.removeprefix("http://").removesuffix("/v1").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        caller.sendall(sent)
        assert caller.recv(65536).startswith(b"HTTP/1.1 %d " % status)

    assert f'compat_refusals_total{{error="{code}",status="{status}"}} 1.0' in get(server, "/metrics").text


def test_metrics_need_the_scope_admin(tmp_path: Path) -> None:
    (keys := tmp_path / "keys").write_text("prom sk-scraper admin\nalice sk-alice-1\n")
    with running_server(Scripted(()), api_keys_file=keys) as server:
        statuses = [get(server, "/metrics", key).status_code for key in (None, "sk-alice-1", "sk-scraper")]

    assert [401, 403, 200] == statuses


@pytest.mark.parametrize(
    "path", ["/metrics/", "//metrics", "/metrics%2f", "/%6detrics", "/openai/../metrics", "/v1/metrics"]
)
def test_a_proxy_can_hide_the_metrics_by_their_path(path: str) -> None:
    with running_server(Scripted(()), trusted_proxies=proxies("127.0.0.1")) as server:
        assert get(server, "/metrics").is_success
        host, _, port = server.base_url.removeprefix("http://").removesuffix("/v1").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as caller:
            caller.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nx-forwarded-prefix: /v1\r\n\r\n".encode())
            assert caller.recv(65536).startswith(b"HTTP/1.1 404 ")


def test_metrics_count_requests_calls_and_audio(server: RunningServer, tmp_path: Path) -> None:
    speech = media.make("wav", media.tone(1.0), 16000, 1, tmp_path / "speech.wav")
    with speech.open("rb") as file:
        server.client().audio.transcriptions.create(model="whisper-1", file=file)
    text = get(server, "/metrics").text

    assert 'compat_service_calls_total{outcome="ok",surface="chat"} 1.0' in text
    assert 'compat_audio_seconds_total{caller="anyone",model="qwen3-asr-flash"} 1.0' in text
    assert "compat_requests_under_way 0.0" in text
    assert {"upload", "queue", "service", "render"} == set(re.findall(r'stage_seconds_count{stage="(\w+)"}', text))


def test_metrics_count_streams_and_jobs(server: RunningServer, tmp_path: Path) -> None:
    speech = media.make("wav", media.tone(1.0), 16000, 1, tmp_path / "speech.wav").read_bytes()
    file = ("a.wav", speech)
    list(server.client().audio.transcriptions.create(model="gpt-4o-transcribe", file=file, stream=True))
    server.client().audio.transcriptions.create(model="qwen3-asr-flash-filetrans", file=file)
    text = get(server, "/metrics").text

    assert 'compat_first_delta_seconds_count{kind="stream"} 1.0' in text
    assert 'compat_final_seconds_count{kind="stream"} 1.0' in text
    states = dict(re.findall(r'^compat_jobs_total{state="(\w+)"} (\S+)$', text, re.MULTILINE))
    assert {"begun", "running", "completed"} == {state for state, count in states.items() if count == "1.0"}
    assert {"0.0", "1.0"} == set(states.values())
    assert "compat_jobs_under_way 0.0" in text
