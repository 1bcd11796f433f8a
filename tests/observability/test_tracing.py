"""Spans as exported, and the trace headers sent to DashScope."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import stamina
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import connect

from compat.app import create_app
from compat.config.settings import Settings
from compat.emulator.app import create_app as create_emulator
from compat.emulator.engine import Hypothesis, Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Faults, Refuse, Rule
from compat.observability.tracing import Traces
from tests.audio import media
from tests.endpoints.live import MANUAL, LiveClient
from tests.processes import server_process
from tests.servers import serve

SAID = (Sentence(text="It was the best of times.", begin_ms=100, end_ms=1500),)
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
THEIRS = {
    "traceparent": f"00-{TRACE}-{PARENT}-01",
    "tracestate": "vendor=secret-of-a-vendor",
    "baggage": "user=secret-of-a-user",
}


class Traced:
    """A server that keeps its spans, with a service that keeps the headers it receives."""

    def __init__(self, service: ASGIApp) -> None:
        self.received: list[tuple[str, dict[str, str]]] = []
        self.base_url = ""
        self._service = service
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record the headers of a request to the service."""
        headers = {name.decode(): value.decode() for name, value in scope.get("headers", ())}
        self.received.append((scope.get("path", ""), headers))
        await self._service(scope, receive, send)

    def all(self) -> tuple[ReadableSpan, ...]:
        """Return the finished spans once the request's is among them: it may end after the client has its response."""
        for attempt in stamina.retry_context(on=AssertionError, attempts=200, timeout=20, wait_max=0.1):
            with attempt:
                spans = self._exporter.get_finished_spans()
                assert SpanKind.SERVER in [span.kind for span in spans]
        return spans

    def spans(self) -> dict[str, ReadableSpan]:
        """Return the last span of each name."""
        return {span.name: span for span in self.all()}


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[Traced]:
    emulator = create_emulator(Scripted(SAID, hypotheses=[[Hypothesis("hello there")]]))
    emulator.state.emulator.faults.arm(Faults((Rule("chat", Refuse(500, "InternalError")),)))
    traced = Traced(emulator)
    with serve(traced) as root:
        settings = Settings(base_url=root, dashscope_api_key="sk-secret", spool=tmp_path, attempts=2)
        with serve(create_app(settings, Traces(traced.provider))) as address:
            traced.base_url = f"{address}/v1"
            yield traced


def transcribe(traced: Traced, tmp_path: Path, model: str = "whisper-1") -> str:
    speech = media.make("wav", media.tone(2.0), 16000, 1, tmp_path / "a.wav").read_bytes()
    with openai.OpenAI(base_url=traced.base_url, api_key="sk-caller", max_retries=0) as client:
        file = ("a.wav", speech)
        return client.audio.transcriptions.create(
            model=model, file=file, prompt="A secret prompt.", extra_headers=THEIRS
        ).text


def identity(span: ReadableSpan) -> tuple[str, str]:
    """Return the ids of trace and span in the form of `traceparent`."""
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def test_a_request_and_its_calls_are_spans_of_the_client_s_trace(traced: Traced, tmp_path: Path) -> None:
    transcribe(traced, tmp_path)

    repeated, request = traced.spans()["DashScope chat"], traced.spans()["POST /v1/audio/transcriptions"]
    assert TRACE == identity(request)[0] == identity(repeated)[0]
    assert request.parent is not None
    assert repeated.parent is not None
    assert (PARENT, identity(request)[1]) == (f"{request.parent.span_id:016x}", f"{repeated.parent.span_id:016x}")
    assert (SpanKind.SERVER, SpanKind.CLIENT) == (request.kind, repeated.kind)
    assert request.attributes is not None
    assert (200, "qwen3-asr-flash", 2.0) == tuple(
        request.attributes[name] for name in ("http.response.status_code", "compat.model", "compat.audio_seconds")
    )


def test_a_failed_attempt_is_a_span_with_its_error(traced: Traced, tmp_path: Path) -> None:
    transcribe(traced, tmp_path)

    failed, repeated = [span for span in traced.all() if span.name == "DashScope chat"]
    assert (StatusCode.ERROR, StatusCode.UNSET) == (failed.status.status_code, repeated.status.status_code)
    assert {"compat.surface": "chat", "compat.repeated": False, "error.type": "upstream_error"} == failed.attributes
    assert {"compat.surface": "chat", "compat.repeated": True} == repeated.attributes


def test_only_traceparent_is_sent_to_the_service(traced: Traced, tmp_path: Path) -> None:
    transcribe(traced, tmp_path, "qwen3-asr-flash-filetrans")

    spans = [identity(span) for span in traced.all()]
    carried = [(path, headers) for path, headers in traced.received if "traceparent" in headers]
    assert {"/api/v1/uploads", "/api/v1/services/audio/asr/transcription"} <= {path for path, _ in carried}
    assert all("authorization" in headers for _, headers in carried)  # neither object storage nor result downloads
    assert {tuple(headers["traceparent"].split("-")[1:3]) for _, headers in carried} <= set(spans)
    assert not [path for path, headers in traced.received if "tracestate" in headers or "baggage" in headers]


async def test_a_live_session_s_connection_is_a_child_span(traced: Traced) -> None:
    address = traced.base_url.replace("http", "ws", 1) + "/realtime?intent=transcription"
    async with connect(address, proxy=None, additional_headers=THEIRS) as socket:
        client = LiveClient(socket)
        await client.send("session.update", session=MANUAL)
        assert "hello there" == await client.turn()

    [headers] = [headers for path, headers in traced.received if path.endswith("/realtime")]
    assert identity(traced.spans()["DashScope realtime"]) == tuple(headers["traceparent"].split("-")[1:3])
    assert TRACE == headers["traceparent"].split("-")[1]


def test_spans_contain_no_transcripts_prompts_or_keys(traced: Traced, tmp_path: Path) -> None:
    transcript = transcribe(traced, tmp_path)

    whole = "".join(span.to_json() for span in traced.all())
    assert "POST /v1/audio/transcriptions" in whole
    assert [] == [secret for secret in (transcript, "secret", "sk-caller") if secret in whole]


def test_opentelemetry_is_not_imported_unless_traces_are_enabled() -> None:
    program = "import compat.cli.main, compat.app, sys, json; print(json.dumps(sorted(sys.modules)))"
    modules = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert [] == [name for name in json.loads(modules) if name.startswith("opentelemetry")]


def test_spans_are_exported_to_the_otel_endpoint_before_the_server_exits(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    async def collect(request: Request) -> Response:
        bodies.append(await request.body())
        return Response()

    speech = media.make("wma", media.tone(2.0), 16000, 1, tmp_path / "a.wma").read_bytes()  # needs a worker process
    collector = Starlette(routes=[Route("/v1/traces", collect, methods=["POST"])])
    with serve(collector) as endpoint, serve(create_emulator(Scripted(SAID))) as root:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
        with server_process(tmp_path, root, COMPAT_TRACES="true", **variables) as running, running.client() as client:
            client.audio.transcriptions.create(model="whisper-1", file=("a.wma", speech))

    whole = b"".join(bodies)
    assert [True] * 3 == [name in whole for name in (b"qwen-asr-compat", b"POST /v1/audio/transcriptions", b"chat")]
