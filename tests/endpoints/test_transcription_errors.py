"""Transcriptions that fail: upstream errors, bad input, wrong keys, oversized files and disconnects."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Break, Cut, FailTask, Fault, Hang, Refuse, Rule, SurfaceName
from tests.endpoints.dickens import SENTENCES, TEXT, upload
from tests.hangups import hang_up
from tests.polling import until
from tests.running import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Scripted(SENTENCES)) as opened:
        yield opened


def always(surface: SurfaceName, fault: Fault) -> Rule:
    return Rule(surface, fault, times=None)


FAULTS: list[tuple[str, Rule, type[openai.APIStatusError], str, int]] = [
    # model, fault of DashScope → exception of the SDK, its code, number of calls to DashScope
    ("whisper-1", always("chat", Refuse(401, "InvalidApiKey")), openai.AuthenticationError, "invalid_api_key", 1),
    ("whisper-1", always("chat", Refuse(400, "Arrearage")), openai.RateLimitError, "insufficient_quota", 1),
    ("whisper-1", always("chat", Refuse(403, "AccessDenied")), openai.PermissionDeniedError, "permission_denied", 1),
    ("whisper-1", always("chat", Refuse(404, "ModelNotFound")), openai.NotFoundError, "model_not_found", 1),
    ("whisper-1", always("chat", Refuse(429, "Throttling.RateQuota")), openai.RateLimitError, "rate_limit_exceeded", 3),
    ("whisper-1", always("chat", Refuse(500, "InternalError")), openai.InternalServerError, "upstream_error", 3),
    ("whisper-1", always("chat", Cut(20)), openai.InternalServerError, "upstream_error", 3),
    ("fun-asr", always("submit", FailTask("DECODE_ERROR")), openai.BadRequestError, "invalid_audio", 1),
]


@pytest.mark.parametrize(("model", "rule", "error", "code", "calls"), FAULTS)
def test_dashscope_s_errors_raise_the_sdk_s_exceptions(
    server: RunningServer,
    speech: bytes,
    model: str,
    rule: Rule,
    error: type[openai.APIStatusError],
    code: str,
    calls: int,
) -> None:
    server.fail(rule)
    before = server.dashscope.counts[rule.surface]

    with pytest.raises(error) as raised:
        server.client().audio.transcriptions.create(model=model, file=upload(speech))

    assert code == raised.value.code
    assert calls == server.dashscope.counts[rule.surface] - before
    assert raised.value.request_id


NEW, NEW_FILES = "qwen-audio-3.1-asr-flash", "qwen-audio-3.1-asr-flash-filetrans"
REFUSALS: list[tuple[str, SurfaceName, Refuse, int, str | None, str]] = [
    # model, surface and its refusal → status, param, setting or field in the message
    ("whisper-1", "chat", Refuse(401, "invalid_api_key"), 401, None, "DASHSCOPE_REGION"),
    ("fun-asr", "policy", Refuse(401, "InvalidApiKey"), 401, None, "DASHSCOPE_REGION"),
    ("whisper-1", "chat", Refuse(403, "access_denied"), 403, "model", "DASHSCOPE_REGION"),
    ("fun-asr", "submit", Refuse(403, "AccessDenied.Unpurchased"), 403, "model", "fun-asr"),
    (NEW, "generation", Refuse(403, "Model.AccessDenied"), 403, "model", "DASHSCOPE_WORKSPACE_ID"),
    (NEW, "generation", Refuse(404, "ModelNotFound"), 404, "model", "DASHSCOPE_WORKSPACE_ID"),
    (NEW, "generation", Refuse(400, "InvalidParameter", "Model not exist."), 404, "model", "DASHSCOPE_WORKSPACE_ID"),
    (NEW_FILES, "submit", Refuse(403, "AccessDenied"), 403, "model", "DASHSCOPE_WORKSPACE_ID"),
    (NEW_FILES, "submit", Refuse(403, "Workspace.AccessDenied"), 403, None, "DASHSCOPE_WORKSPACE_ID"),
    (NEW_FILES, "submit", Refuse(404, "WorkSpaceNotFound"), 404, None, "DASHSCOPE_WORKSPACE_ID"),
    (NEW, "generation", Refuse(400, "InvalidParameter", "vocabulary is invalid"), 400, "vocabulary", "vocabulary"),
    ("fun-asr", "submit", Refuse(400, "InvalidParameter", "speaker_count: no"), 400, "speaker_count", "speaker_count"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "surface", "fault", "status", "param", "named"), REFUSALS)
def test_a_refusal_names_its_parameter_and_the_setting_to_check(
    server: RunningServer,
    speech: bytes,
    stream: bool,
    model: str,
    surface: SurfaceName,
    fault: Refuse,
    status: int,
    param: str | None,
    named: str,
) -> None:
    server.fail(always(surface, fault))
    before = server.dashscope.counts[surface]

    with pytest.raises(openai.APIStatusError, match=named) as raised:
        server.client().audio.transcriptions.create(model=model, file=upload(speech), stream=stream)

    assert (status, param) == (raised.value.status_code, raised.value.param)
    assert 1 == server.dashscope.counts[surface] - before


OPTIONS = ["channel_id", "diarization_enabled", "vocabulary", "enable_itn", "disfluency_removal_enabled"]


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        ("qwen3-asr-flash-2026-02-10", {"enable_itn"}),
        ("qwen3-asr-flash-filetrans", {"channel_id", "enable_itn"}),
        ("qwen-audio-3.1-asr-flash-filetrans", {"channel_id", "diarization_enabled", "vocabulary"}),
        ("fun-asr-flash-2026-06-15", set()),
        ("fun-asr", {"channel_id", "diarization_enabled"}),
        ("paraformer-v2", {"channel_id", "diarization_enabled", "disfluency_removal_enabled"}),
    ],
)
def test_an_option_that_the_model_does_not_take_is_ignored_and_named(
    server: RunningServer, speech: bytes, model: str, taken: set[str]
) -> None:
    sent = {**dict.fromkeys(OPTIONS, "true"), "channel_id": "0", "vocabulary": '{"Ada": 4}'}
    raw = server.client().audio.transcriptions.with_raw_response.create(
        model=model, file=upload(speech), extra_body=sent
    )

    assert TEXT == raw.parse().text
    assert {*OPTIONS} - taken == set(raw.headers["x-compat-ignored"].split(","))


def test_a_transient_error_is_retried(server: RunningServer, speech: bytes) -> None:
    server.fail(
        Rule("chat", Refuse(500, "InternalError")), Rule("chat", Refuse(429, "Throttling", retry_after=0.05), nth=2)
    )

    answer = server.client().audio.transcriptions.create(model="whisper-1", file=upload(speech))

    assert TEXT == answer.text


def test_a_long_retry_after_is_passed_to_the_client(server: RunningServer, speech: bytes) -> None:
    server.fail(Rule("chat", Refuse(429, "Throttling", retry_after=60), times=None))

    with pytest.raises(openai.RateLimitError) as raised:
        server.client().audio.transcriptions.create(model="whisper-1", file=upload(speech))

    assert "60" == raised.value.response.headers["retry-after"]


def test_an_error_before_the_stream_starts_is_a_plain_error(server: RunningServer, speech: bytes) -> None:
    server.fail(Rule("chat", Refuse(401, "InvalidApiKey")))

    with pytest.raises(openai.AuthenticationError):
        server.client().audio.transcriptions.create(model="whisper-1", file=upload(speech), stream=True)


@pytest.mark.parametrize("fault", [Break(2), Cut(900)])
def test_a_stream_that_breaks_ends_in_an_error_frame(server: RunningServer, speech: bytes, fault: Break | Cut) -> None:
    server.fail(Rule("chat", fault))
    stream = server.client().audio.transcriptions.create(model="whisper-1", file=upload(speech), stream=True)

    with pytest.raises(openai.APIError, match="DashScope"):
        list(stream)


BAD: list[tuple[dict[str, str | list[str]], bytes | None, int, str | None]] = [
    ({"model": "whisper-1"}, None, 400, "file"),
    ({"model": "whisper-1"}, b"", 400, "file"),
    ({"model": "whisper-1"}, b"this is no sound at all, but a letter", 400, "file"),
    ({}, b"speech", 400, "model"),
    ({"model": "gpt-5"}, b"speech", 404, "model"),
    ({"model": "whisper-1", "response_format": "xml"}, b"speech", 400, "response_format"),
    ({"model": "paraformer-v2", "special_word_filter": "damn"}, b"speech", 400, "special_word_filter"),
    ({"model": "qwen-audio-3.1-asr-flash", "vocabulary": '{"Ada": 6}'}, b"speech", 400, "vocabulary"),
    ({"model": "qwen-audio-3.1-asr-flash", "vocabulary": '{"Ada": "high"}'}, b"speech", 400, "vocabulary"),
    ({"model": "qwen-audio-3.1-asr-flash", "vocabulary": '{"a b c d e f g h": 4}'}, b"speech", 400, "vocabulary"),
    ({"model": "whisper-1", "temperature": "warm"}, b"speech", 400, "temperature"),
    ({"model": "whisper-1", "language": "klingonish"}, b"speech", 400, "language"),
    (
        {"model": "whisper-1", "response_format": "verbose_json", "timestamp_granularities[]": "letter"},
        b"speech",
        400,
        "timestamp_granularities",
    ),
    ({"model": "whisper-1", "enable_itn": "perhaps"}, b"speech", 400, "enable_itn"),
    ({"model": "qwen3-asr-flash-2026-02-10", "response_format": "srt"}, b"speech", 400, "response_format"),
]


@pytest.mark.parametrize(("fields", "audio", "status", "param"), BAD)
def test_bad_input_is_refused_by_name(
    server: RunningServer,
    speech: bytes,
    fields: dict[str, str | list[str]],
    audio: bytes | None,
    status: int,
    param: str,
) -> None:
    sent = speech if audio == b"speech" else audio
    before = server.dashscope.counts.total()

    answer = httpx2.post(
        f"{server.base_url}/audio/transcriptions",
        data=fields,
        files={"file": ("a.mp3", sent)} if sent is not None else {"other": (None, "x")},
    )

    assert (status, param) == (answer.status_code, answer.json()["error"]["param"])
    assert answer.json()["error"]["message"]
    assert before == server.dashscope.counts.total()


def test_a_disconnect_cancels_the_work_and_removes_the_file(speech: bytes, tmp_path: Path) -> None:
    arrived = threading.Event()
    released = threading.Event()

    def wait(_: Sentence) -> None:
        arrived.set()
        released.wait(10)

    with running_server(Scripted(SENTENCES, before=wait), spool=tmp_path) as server:
        hang_up(
            server.base_url,
            lambda: server.counts.wait_for(lambda: server.counts["query"]),
            model="fun-asr",
            file=upload(speech),
        )
        assert arrived.wait(10)
        server.counts.wait_for(lambda: server.counts["cancel"] == 1)
        until(lambda: not list(tmp_path.glob("*/*")))
        released.set()


def test_a_disconnect_during_a_hanging_call_removes_the_file(speech: bytes, tmp_path: Path) -> None:
    with running_server(Scripted(SENTENCES), spool=tmp_path) as server:
        server.fail(Rule("chat", Hang()))
        hang_up(
            server.base_url,
            lambda: server.counts.wait_for(lambda: server.counts["chat"]),
            model="whisper-1",
            file=upload(speech),
        )
        until(lambda: not list(tmp_path.glob("*/*")))
        server.fail()

        assert TEXT == server.client().audio.transcriptions.create(model="whisper-1", file=upload(speech)).text


KEYS = [("right", None), ("other", None), ("wrong", openai.AuthenticationError), ("", openai.AuthenticationError)]


@pytest.mark.parametrize(("key", "error"), KEYS)
def test_clients_need_one_of_the_server_s_keys(speech: bytes, key: str, error: type[Exception] | None) -> None:
    with running_server(Scripted(SENTENCES), api_keys=("right", "other")) as server:
        client = server.client(key) if key else server.client("x", default_headers={"authorization": "Basic x"})
        if error is None:
            assert TEXT == client.audio.transcriptions.create(model="whisper-1", file=upload(speech)).text
        else:
            with pytest.raises(error):
                client.audio.transcriptions.create(model="whisper-1", file=upload(speech))
            with pytest.raises(error):
                client.models.list()


def test_the_client_s_own_key_can_be_passed_on(speech: bytes) -> None:
    with running_server(
        Scripted(SENTENCES), keys=frozenset({"sk-callers"}), pass_key=True, dashscope_api_key=None
    ) as server:
        answer = server.client("sk-callers").audio.transcriptions.create(model="whisper-1", file=upload(speech))

        assert TEXT == answer.text
        with pytest.raises(openai.AuthenticationError):
            server.client("sk-others").audio.transcriptions.create(model="whisper-1", file=upload(speech))


def test_a_file_over_the_limit_is_refused(speech: bytes) -> None:
    with running_server(Scripted(SENTENCES), max_upload=1000) as server:
        with pytest.raises(openai.APIStatusError) as raised:
            server.client().audio.transcriptions.create(model="whisper-1", file=upload(speech))

        assert (413, "file") == (raised.value.status_code, raised.value.param)
        assert 0 == server.dashscope.counts.total()
