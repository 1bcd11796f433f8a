"""File tasks and synchronous calls with the official `dashscope` package, unmodified, in both generations."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack

import dashscope
import pytest
from dashscope.audio.asr import Transcription
from dashscope.audio.qwen_asr import QwenTranscription
from dashscope.utils.oss_utils import OssUtils
from dashscope.v2.errors import DashScopeError
from httpx_sse import EventSource
from starlette.staticfiles import StaticFiles

from compat.emulator.engine import Sentence
from compat.emulator.faults import Break, FailTask, Faults, Refuse, Rule
from compat.emulator.readings import Readings
from tests.emulator.running import TEXT, RunningEmulator, Settings, Start, data_uri, wav, write
from tests.servers import serve

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:dashscope.*")
RESOLVE = {"X-DashScope-OssResourceResolve": "enable"}


@pytest.fixture
def point(start: Start, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts an emulator for the classic classes, which take key and address from the package itself."""
    key, url = dashscope.api_key, dashscope.base_http_api_url
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def pointed(*turns: Sequence[Sentence], **settings: Unpack[Settings]) -> RunningEmulator:
        service = start(*turns, **settings)
        dashscope.api_key, dashscope.base_http_api_url = "sk-test", f"{service.url}/api/v1"
        return service

    yield pointed
    dashscope.api_key, dashscope.base_http_api_url = key, url


@pytest.fixture
def pointed(point: Start) -> RunningEmulator:
    return point()


def converse(audio: str, **asked: Any) -> Any:  # noqa: ANN401 - one answer or a stream of them
    system = {"role": "system", "content": [{"text": "Names: Ada."}]}
    messages = [system, {"role": "user", "content": [{"audio": audio}]}]
    return dashscope.MultiModalConversation.call(model="qwen3-asr-flash", messages=messages, **asked)


def fetched(url: str) -> dict[str, Any]:
    assert url.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - a loopback address
        document: dict[str, Any] = json.load(answer)
    return document


def test_multimodal_conversation(pointed: RunningEmulator) -> None:
    answer = converse(data_uri(wav()), result_format="message", asr_options={"language": "en"})

    assert answer.status_code == 200
    assert answer.output.choices[0].message.content == [{"text": TEXT}]
    assert answer.output.choices[0].message.annotations[0]["emotion"] == "happy"
    assert pointed.emulator.requests[-1].context == "Names: Ada."


def test_multimodal_conversation_with_a_local_file(pointed: RunningEmulator, tmp_path: Path) -> None:
    path = write(tmp_path / "speech.wav", wav())
    answer = converse(f"file://{path}")

    assert answer.output.choices[0].message.content == [{"text": TEXT}]
    assert pointed.emulator.counts == {"policy": 1, "store": 1, "generation": 1}
    assert pointed.emulator.requests[-1].audio == "oss"


@pytest.mark.parametrize(
    "readings", [Readings(), Readings(status_line="field"), Readings(status_line="absent", finish_reason_string=False)]
)
@pytest.mark.parametrize("incremental", [False, True])
def test_multimodal_conversation_streamed(point: Start, incremental: bool, readings: Readings) -> None:
    point(readings=readings)
    answers = list(converse(data_uri(wav()), stream=True, incremental_output=incremental))
    texts = [part["text"] for answer in answers for part in answer.output.choices[0].message.content]

    assert len(answers) == 4
    assert answers[-1].output.choices[0].finish_reason == "stop"
    assert "".join(texts) == TEXT if incremental else texts[-1] == TEXT


def test_multimodal_conversation_refused(pointed: RunningEmulator) -> None:
    answer = converse(data_uri(b"no sound"))

    assert pointed.emulator.counts["generation"] == 1
    assert (answer.status_code, answer.code) == (400, "InvalidParameter")
    assert "illegal" in answer.message


def test_multimodal_conversation_broken_within_a_stream(point: Start) -> None:
    broken = Faults((Rule("generation", Break(after=1, code="InternalError.Timeout", message="late")),))
    point(faults=broken)
    *_, last = converse(data_uri(wav()), stream=True)

    assert (last.code, last.message) == ("InternalError.Timeout", "late")


def test_oss_utils_and_qwen_transcription(pointed: RunningEmulator, tmp_path: Path) -> None:
    model = "qwen3-asr-flash-filetrans"
    url, certificate = OssUtils.upload(model=model, file_path=str(write(tmp_path / "speech.wav", wav())))
    answer = QwenTranscription.call(model=model, file_url=url, enable_words=True, headers=RESOLVE)

    assert url == f"oss://{certificate['upload_dir']}/speech.wav"
    assert (answer.status_code, answer.output.task_status) == (200, "SUCCEEDED")
    assert answer.usage["seconds"] == 2
    document = fetched(answer.output["result"]["transcription_url"])
    assert document["transcripts"][0]["text"] == TEXT
    assert document["transcripts"][0]["sentences"][0]["words"][0]["text"] == "Hello"
    assert pointed.emulator.counts["submit"] == 1


def test_qwen_transcription_failed(pointed: RunningEmulator) -> None:
    answer = QwenTranscription.call(model="qwen3-asr-flash-filetrans", file_url="oss://nowhere/a.wav", headers=RESOLVE)

    assert pointed.emulator.counts["submit"] == 1
    assert (answer.status_code, answer.output.task_status) == (200, "FAILED")
    assert answer.output["code"] == "FILE_404_NOT_FOUND"


@pytest.mark.parametrize("model", ["fun-asr", "paraformer-v2"])
def test_transcription(pointed: RunningEmulator, tmp_path: Path, model: str) -> None:
    url, _ = OssUtils.upload(model=model, file_path=str(write(tmp_path / "speech.wav", wav())))
    submitted = Transcription.async_call(model=model, file_urls=[url], diarization_enabled=True, headers=RESOLVE)
    answer = Transcription.wait(submitted)

    assert submitted.output.task_status == "PENDING"
    assert answer.output.task_status == "SUCCEEDED"
    assert answer.usage["duration"] == 2
    sentences = fetched(answer.output.results[0]["transcription_url"])["transcripts"][0]["sentences"]
    assert [sentence["speaker_id"] for sentence in sentences] == [0, 1]
    assert pointed.emulator.requests[0].model == model


def test_tasks_listed_and_not_cancelled(pointed: RunningEmulator) -> None:
    submitted = Transcription.async_call(model="fun-asr", file_urls=["oss://nowhere/a.wav"])
    Transcription.wait(submitted)
    listed = Transcription.list(model_name="fun-asr")
    cancelled = Transcription.cancel(submitted)

    assert (listed.status_code, listed.output["data"][0]["task_id"]) == (200, submitted.output.task_id)
    assert (cancelled.status_code, cancelled.code) == (400, "UnsupportedOperation")
    assert pointed.emulator.counts["cancel"] == 1


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A sound on a web server: `dashscope.Client` never says the header that has `oss://` resolved for file tasks."""
    write(tmp_path / "speech.wav", wav())
    with serve(StaticFiles(directory=tmp_path)) as url:
        yield f"{url}/speech.wav"


def client(service: RunningEmulator) -> Any:  # noqa: ANN401 - the package has no types here
    base_url = f"{service.url}/api/v1"
    return dashscope.Client(api_key="sk-test", base_url=base_url, workspace="ws-test", max_retries=0)


@pytest.mark.filterwarnings("ignore:dashscope 2.0 audio API is a preview:FutureWarning")
@pytest.mark.parametrize(
    ("model", "phrases"),
    [("qwen-audio-3.1-asr-flash-filetrans", None), ("fun-asr", None), ("paraformer-v1", "names")],
)
def test_client_transcribes_files(pointed: RunningEmulator, address: str, model: str, phrases: str | None) -> None:
    with client(pointed) as made:
        done = made.audio.asr.transcribe(
            [address], model=model, parameters={"diarization_enabled": True}, phrase_id=phrases, poll_interval=0.01
        )

    assert done.succeeded
    assert done.results[0].subtask_status == "SUCCEEDED"
    assert fetched(done.results[0].transcription_url)["transcripts"][0]["text"] == TEXT
    submit = next(seen for seen in pointed.emulator.requests if seen.surface == "submit")
    sent = [{"resource_id": phrases, "resource_type": "asr_phrase"}] if phrases else None
    assert submit.parameters.get("resources") == sent


@pytest.mark.filterwarnings("ignore:dashscope 2.0 audio API is a preview:FutureWarning")
def test_client_jobs_that_fail(start: Start, address: str) -> None:
    service = start(faults=Faults((Rule("submit", FailTask("FILE_CHECK_FAILED", "bad")),)))
    with client(service) as made:
        job = made.audio.asr.jobs.create(model="fun-asr", file_urls=[address])
        with pytest.raises(DashScopeError, match="bad") as caught:
            made.audio.asr.jobs.wait(job, poll_interval=0.01)

    assert job.status == "PENDING"
    assert caught.value.code == "FILE_CHECK_FAILED"


@pytest.mark.filterwarnings("ignore:dashscope 2.0 audio API is a preview:FutureWarning")
@pytest.mark.parametrize(
    ("status", "code"), [(429, "Throttling.RateQuota"), (400, "Arrearage"), (503, "ModelUnavailable")]
)
def test_client_is_refused(start: Start, status: int, code: str) -> None:
    service = start(faults=Faults((Rule("submit", Refuse(status, code, "no")),)))
    with client(service) as made, pytest.raises(DashScopeError) as caught:
        made.audio.asr.jobs.create(model="fun-asr", file_urls=["http://127.0.0.1/a.wav"])

    assert (caught.value.status_code, caught.value.code) == (status, code)


@pytest.mark.parametrize("seconds", [1.5, 60])
def test_client_events(pointed: RunningEmulator, seconds: float) -> None:
    part = {"type": "input_audio", "input_audio": {"data": data_uri(wav(seconds))}}
    body = {
        "model": "qwen-audio-3.1-asr-flash",
        "input": {"messages": [{"role": "user", "content": [part]}]},
        "parameters": {"format": "wav", "sample_rate": "16000"},
    }
    path = "/services/aigc/multimodal-generation/generation"
    with (
        client(pointed) as made,
        contextlib.closing(
            made.transport.open_stream(
                "POST", path, json=body, headers={"X-DashScope-SSE": "enable"}, sdk_module="audio"
            )
        ) as answer,
    ):
        events = [(event.event, event.id, json.loads(event.data)) for event in EventSource(answer).iter_sse()]

    assert [(kind, number) for kind, number, _ in events] == [("result", str(1 + nth)) for nth in range(len(events))]
    assert events[-1][2]["output"]["text"] == TEXT
    assert len(events) == (5 if seconds >= 60 else 1)
