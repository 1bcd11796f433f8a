"""Faults of the service.

Each test checks the error that OpenAI's SDK raises, how often the service was called, that nothing is left behind, and
that the next request works.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import openai
import pytest

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import (
    Answer,
    Break,
    Cut,
    Expire,
    FailFile,
    FailTask,
    Fault,
    Hang,
    Refuse,
    Rule,
    Slow,
    SurfaceName,
)
from tests.faults.watch import figures, nothing_is_left
from tests.running import RunningServer, running_server

RequestKind = Literal["at once", "stream", "task"]
REQUEST_KINDS: tuple[RequestKind, ...] = get_args(RequestKind)
SENTENCES = (Sentence(text="It was the best of times.", begin_ms=100, end_ms=1500),)
HTML = Answer("<html>Bad gateway</html>", content_type="text/html")
BROKEN, LIMITED = Refuse(500, "InternalError"), Refuse(429, "Throttling.RateQuota", retry_after=0.05)
FAULT = openai.InternalServerError

# kind of request, surface, permanent fault → class and code of the SDK's error, calls to the surface; two attempts each
FAULTS: list[tuple[RequestKind, SurfaceName, Fault, type[openai.APIError] | None, str | None, int]] = [
    ("at once", "chat", BROKEN, FAULT, "upstream_error", 2),
    ("at once", "chat", Refuse(503, "ServiceUnavailable"), FAULT, "service_unavailable", 2),
    ("at once", "chat", LIMITED, openai.RateLimitError, "rate_limit_exceeded", 2),
    ("at once", "chat", Refuse(429, "Throttling"), openai.RateLimitError, "rate_limit_exceeded", 2),
    ("at once", "chat", Refuse(429, "Throttling", retry_after=60), openai.RateLimitError, "rate_limit_exceeded", 1),
    ("at once", "chat", Refuse(400, "Arrearage"), openai.RateLimitError, "insufficient_quota", 1),
    ("at once", "chat", Refuse(400, "DataInspectionFailed"), openai.BadRequestError, "content_policy_violation", 1),
    ("at once", "chat", Answer("{"), FAULT, "upstream_error", 1),
    ("at once", "chat", HTML, FAULT, "upstream_error", 1),
    ("at once", "chat", Answer('{"code":"InternalError","message":"x"}'), FAULT, "upstream_error", 1),
    ("at once", "chat", Hang(), FAULT, "upstream_timeout", 1),
    ("at once", "chat", Cut(0), FAULT, "upstream_error", 2),
    ("at once", "chat", Cut(10), FAULT, "upstream_error", 2),
    ("stream", "chat", BROKEN, FAULT, "upstream_error", 2),
    ("stream", "chat", Break(0), FAULT, "upstream_error", 1),
    ("stream", "chat", Break(2), openai.APIError, "upstream_error", 1),
    ("stream", "chat", Cut(0), FAULT, "upstream_error", 3),  # only the first call is streamed
    ("stream", "chat", Cut(200), FAULT, "upstream_error", 3),
    ("stream", "chat", Hang(), FAULT, "upstream_timeout", 1),
    ("stream", "chat", HTML, FAULT, "upstream_error", 1),
    ("task", "policy", BROKEN, FAULT, "upstream_error", 2),
    ("task", "policy", Expire(), FAULT, "upstream_error", 2),
    ("task", "policy", HTML, FAULT, "upstream_error", 1),
    ("task", "store", Refuse(403, "AccessDenied"), FAULT, "upstream_error", 2),
    ("task", "store", Refuse(500, "InternalError"), FAULT, "upstream_error", 2),
    ("task", "store", Cut(0), None, None, 1),  # the file was stored nevertheless, as the second attempt finds
    ("task", "submit", BROKEN, FAULT, "upstream_error", 1),  # never twice: a task may have begun
    ("task", "submit", LIMITED, openai.RateLimitError, "rate_limit_exceeded", 2),
    ("task", "submit", FailTask("InternalError"), FAULT, "upstream_error", 1),
    ("task", "submit", FailTask("FILE_DOWNLOAD_FAILED"), FAULT, "upstream_error", 1),
    ("task", "submit", FailFile("DECODE_ERROR"), openai.BadRequestError, "invalid_audio", 1),
    ("task", "submit", Slow(polls=2), None, None, 1),
    ("task", "query", BROKEN, FAULT, "upstream_error", 6),
    ("task", "query", Hang(), FAULT, "upstream_timeout", 3),
    ("task", "query", Answer("{}"), FAULT, "upstream_error", 3),
    ("task", "query", Answer('{"output":{"task_status":"UNKNOWN"}}'), FAULT, "upstream_error", 1),
    ("task", "query", Expire(), FAULT, "upstream_error", 2),
    ("task", "result", Refuse(403, "AccessDenied"), FAULT, "upstream_error", 2),
    ("task", "result", Refuse(404, "NotFound"), FAULT, "upstream_error", 2),
    ("task", "result", Hang(), FAULT, "upstream_error", 4),
    ("task", "result", HTML, FAULT, "upstream_error", 1),
    ("task", "result", Cut(10), FAULT, "upstream_error", 8),
]


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def patient(spool: Path, speech: bytes) -> Iterator[RunningServer]:
    """A server with a long answer timeout. It is warmed up, because the emulator loads its audio decoder at first."""
    with running_server(
        Scripted(SENTENCES), spool=spool, attempts=2, long_road="filetrans", task_deadline=1.5
    ) as opened:
        for kind in REQUEST_KINDS:
            ask(opened.client(), kind, speech)
        yield opened


@pytest.fixture(scope="module")
def hurried(patient: RunningServer, spool: Path) -> Iterator[RunningServer]:  # noqa: ARG001 - the decoder has to be loaded first
    with running_server(
        Scripted(SENTENCES), spool=spool, answer_timeout=1.5, attempts=2, long_road="filetrans", task_deadline=1.5
    ) as opened:
        yield opened


@pytest.fixture
def server(request: pytest.FixtureRequest, fault: Fault) -> RunningServer:
    """A server with a long answer timeout, or a short one if the service is to hang."""
    opened: RunningServer = request.getfixturevalue("hurried" if isinstance(fault, Hang) else "patient")
    return opened


def ask(client: openai.OpenAI, kind: RequestKind, speech: bytes) -> None:
    file = ("a.wav", speech)
    match kind:
        case "at once":
            client.audio.transcriptions.create(model="whisper-1", file=file)
        case "stream":
            for _ in client.audio.transcriptions.create(model="gpt-4o-transcribe", file=file, stream=True):
                pass
        case "task":
            client.audio.transcriptions.create(model="whisper-1", file=file, response_format="srt")


def name(row: object) -> str:
    return type(row).__name__.lower() if not isinstance(row, str | int | type | None) else str(row)


@pytest.mark.parametrize(("kind", "surface", "fault", "error", "code", "asked"), FAULTS, ids=name)
def test_a_fault_is_retried_or_reported_and_leaves_nothing_behind(
    server: RunningServer,
    spool: Path,
    speech: bytes,
    kind: RequestKind,
    surface: SurfaceName,
    fault: Fault,
    error: type[openai.APIError] | None,
    code: str | None,
    asked: int,
) -> None:
    client = server.client()
    client.models.list()
    before = figures(server.base_url)
    server.dashscope.counts.clear()
    server.fail(Rule(surface, fault, times=None))

    if error is None:
        ask(client, kind, speech)
    else:
        with pytest.raises(openai.APIError) as caught:
            ask(client, kind, speech)
        assert (error, code) == (type(caught.value), caught.value.code)

    assert asked == server.dashscope.counts[surface]
    nothing_is_left(server.base_url, spool, before, server.service)

    server.fail()
    ask(client, kind, speech)
    nothing_is_left(server.base_url, spool, before, server.service)


@pytest.mark.parametrize("after", [0, 1, 200])
def test_a_stream_lost_before_its_first_text_is_repeated(patient: RunningServer, speech: bytes, after: int) -> None:
    patient.dashscope.counts.clear()
    patient.fail(Rule("chat", Cut(after)))

    with patient.client().audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("a.wav", speech), stream=True
    ) as events:
        texts = [event.text for event in events if event.type == "transcript.text.done"]

    assert [SENTENCES[0].text] == texts
    assert 2 == patient.dashscope.counts["chat"]


def test_a_stream_lost_after_its_first_text_is_not_repeated(patient: RunningServer, speech: bytes) -> None:
    """Text that was sent cannot be taken back."""
    patient.dashscope.counts.clear()
    patient.fail(Rule("chat", Cut(900)))
    texts: list[object] = []
    events = patient.client().audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("a.wav", speech), stream=True
    )
    with events, pytest.raises(openai.APIError):
        texts.extend(events)  # keeps the events before the error

    assert texts
    assert 1 == patient.dashscope.counts["chat"]
