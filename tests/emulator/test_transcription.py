"""The task surface: submit, query, list, cancel, result files, in the three dialects."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import pytest

from compat.emulator.faults import Expire, FailFile, FailTask, Faults, Rule, Slow
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.laptop import ASYNC, TEXT, TRANSCRIPTION, Laptop, Start, result, wav

FILETRANS = "qwen3-asr-flash-filetrans"
AUDIO3 = "qwen-audio-3.1-asr-flash-filetrans"
EVERY = [FILETRANS, "fun-asr", "paraformer-v2", AUDIO3]


def address(task: dict[str, Any]) -> str:
    """The result's, wherever the dialect puts it."""
    output = task["output"].get("output") or task["output"]
    found: str = (output.get("result") or output["results"][0])["transcription_url"]
    return found


def submitted(laptop: Laptop, model: str = FILETRANS, **parameters: object) -> str:
    url = laptop.upload(wav(), model=model)
    body = laptop.submit(model, {"file_url": url, "file_urls": [url]}, True, **parameters).json()
    assert body["output"]["task_status"] == "PENDING"
    task_id: str = body["output"]["task_id"]
    return task_id


def test_filetrans(start: Start) -> None:
    laptop = start(clock=lambda: 1_795_000_000.0)
    task = laptop.transcribe(FILETRANS)
    transcription_url = task["output"].pop("result")["transcription_url"]

    assert task["usage"] == {"seconds": 2}
    assert task["output"].pop("task_id")
    assert task["output"] == {
        "task_status": "SUCCEEDED",
        "submit_time": "2026-11-18 19:06:40.000",
        "scheduled_time": "2026-11-18 19:06:40.000",
        "end_time": "2026-11-18 19:06:40.000",
    }
    document = result(transcription_url)
    assert document.pop("file_url").startswith("oss://")
    assert document == {
        "audio_info": {"format": "wav", "sample_rate": 16000},
        "transcripts": [
            {
                "channel_id": 0,
                "text": TEXT,
                "sentences": [
                    {
                        "sentence_id": 0, "begin_time": 100, "end_time": 900, "language": "en", "emotion": "happy",
                        "text": "Hello there, old world.",
                    },
                    {
                        "sentence_id": 1, "begin_time": 1000, "end_time": 1500, "language": "en", "emotion": "neutral",
                        "text": "Good bye!",
                    },
                ],
            }
        ],
    }  # fmt: skip


def test_enable_words_adds_words_and_ends_sentences_at_punctuation(start: Start) -> None:
    task = start().transcribe(FILETRANS, enable_words=True, language="de")
    sentences = result(address(task))["transcripts"][0]["sentences"]

    assert [(sentence["text"], sentence["begin_time"], sentence["end_time"]) for sentence in sentences] == [
        ("Hello there,", 100, 500), ("old world.", 500, 900), ("Good bye!", 1000, 1500)
    ]  # fmt: skip
    assert [sentence["sentence_id"] for sentence in sentences] == [0, 1, 2]
    assert {sentence["language"] for sentence in sentences} == {"de"}
    assert sentences[0]["words"] == [
        {"begin_time": 100, "end_time": 300, "text": "Hello", "punctuation": ""},
        {"begin_time": 300, "end_time": 500, "text": "there", "punctuation": ","},
    ]


def test_fun_asr(start: Start) -> None:
    laptop = start()
    task = laptop.transcribe("fun-asr", diarization_enabled=True)
    output = task["output"]

    assert task["usage"] == {"duration": 2}
    assert output["task_metrics"] == {"TOTAL": 1, "SUCCEEDED": 1, "FAILED": 0}
    assert output["results"][0]["subtask_status"] == "SUCCEEDED"
    document = result(output["results"][0]["transcription_url"])
    assert document["properties"] == {
        "audio_format": "pcm_s16le", "channels": [0], "original_sampling_rate": 16000,
        "original_duration_in_milliseconds": 1500,
    }  # fmt: skip
    transcript = document["transcripts"][0]
    assert (transcript["text"], transcript["content_duration_in_milliseconds"]) == (TEXT, 1300)
    assert [(one["sentence_id"], one["speaker_id"]) for one in transcript["sentences"]] == [(1, 0), (2, 1)]
    assert [word["text"] for word in transcript["sentences"][0]["words"]] == ["Hello ", "there", "old ", "world"]
    assert not {"emotion", "language"} & set(transcript["sentences"][0])


def test_speakers_are_not_told_unless_asked(start: Start) -> None:
    sentences = result(address(start().transcribe("fun-asr")))["transcripts"][0]["sentences"]

    assert all("speaker_id" not in sentence for sentence in sentences)


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("aligned", [False, True])
def test_paraformer_gives_times_when_told_or_by_a_reading(start: Start, aligned: bool, always: bool) -> None:
    laptop = start(readings=Readings(paraformer_always_timed=always))
    task = laptop.transcribe("paraformer-v2", timestamp_alignment_enabled=aligned)
    first, second = result(address(task))["transcripts"][0]["sentences"]

    assert (first["end_time"], second["begin_time"], "words" in first) == (
        (900, 1000, True) if aligned or always else (0, 0, False)
    )


@pytest.mark.parametrize("nested", [False, True])
def test_audio3_either_way(start: Start, nested: bool) -> None:
    task = start(readings=Readings(audio3_files_nested=nested)).transcribe(AUDIO3)
    words = result(address(task))["transcripts"][0]["sentences"][0]["words"]

    assert ("output" in task["output"]) == nested
    if nested:
        assert task["output"]["output"]["transcription_url"] == address(task)
    assert words[0]["confidence"] == 0.95


def test_each_channel_is_a_transcript_of_its_own(start: Start) -> None:
    task = start().transcribe(FILETRANS, wav(channels=2), channel_id=[0, 1])

    assert task["usage"] == {"seconds": 4}
    assert [one["channel_id"] for one in result(address(task))["transcripts"]] == [0, 1]


def test_a_channel_that_is_not_there(start: Start) -> None:
    assert start().transcribe(FILETRANS, channel_id=[3])["output"]["code"] == "DECODE_ERROR"


@pytest.mark.parametrize(
    ("model", "given", "resolve", "code"),
    [
        (FILETRANS, {"file_urls": ["UPLOAD"]}, True, "InvalidParameter.MalformedURL"),
        (FILETRANS, {"file_url": "data:audio/wav;base64,UklGRg=="}, True, "InvalidParameter.MalformedURL"),
        (FILETRANS, {"file_url": "UPLOAD"}, False, "FILE_DOWNLOAD_FAILED"),
        (AUDIO3, {"file_urls": ["UPLOAD"]}, False, "SERVER_ERROR"),
        ("fun-asr", {"file_urls": ["UPLOAD"]}, False, "InvalidFile.DownloadFailed"),
        (FILETRANS, {"file_url": "https://example.com/a.wav"}, True, "FILE_DOWNLOAD_FAILED"),
        (FILETRANS, {"file_url": "oss://nowhere/a.wav"}, True, "FILE_404_NOT_FOUND"),
        (FILETRANS, {"file_url": "OTHER"}, True, "FILE_403_FORBIDDEN"),
        ("fun-asr", {"file_urls": ["https://example.com/a.wav"]}, True, "InvalidFile.DownloadFailed"),
    ],
)
def test_a_file_that_cannot_be_had(start: Start, model: str, given: dict[str, Any], resolve: bool, code: str) -> None:
    laptop = start()
    places = {"UPLOAD": laptop.upload(wav(), model=model), "OTHER": laptop.upload(wav(), model="other")}
    filled = {
        name: places.get(value, value) if isinstance(value, str) else [places.get(one, one) for one in value]
        for name, value in given.items()
    }
    answer = laptop.submit(model, filled, resolve)
    output = laptop.finished(answer.json()["output"]["task_id"])["output"]

    assert answer.status_code == 200
    assert (output["task_status"], output["code"]) == ("FAILED", code)


@pytest.mark.parametrize(
    ("sound", "limits", "code"),
    [
        (wav(3), Limits(file_seconds=2), "AUDIO_DURATION_TOO_LONG"),
        (wav(3), Limits(file_bytes=1000), "FILE_TOO_LARGE"),
        (b"not a sound", Limits(), "DECODE_ERROR"),
        (b"", Limits(), "NO_VALID_AUDIO_ERROR"),
    ],
)
def test_a_file_it_cannot_use(start: Start, sound: bytes, limits: Limits, code: str) -> None:
    laptop = start(limits=limits)
    url = laptop.upload(sound, model=FILETRANS)
    output = laptop.finished(laptop.submit(FILETRANS, {"file_url": url}).json()["output"]["task_id"])["output"]

    assert (output["task_status"], output["code"]) == ("FAILED", code)


def test_a_name_that_is_not_ascii_is_stored_but_not_read(start: Start) -> None:
    laptop = start()
    url = laptop.upload(wav(), model=FILETRANS, name="a b.wav")
    task_id = laptop.submit(FILETRANS, {"file_url": url}).json()["output"]["task_id"]

    assert laptop.finished(task_id)["output"]["code"] == "FILE_DOWNLOAD_FAILED"


@pytest.mark.parametrize(("readable", "status"), [(True, "SUCCEEDED"), (False, "FAILED")])
def test_oss_for_filetrans_either_way(start: Start, readable: bool, status: str) -> None:
    task = start(readings=Readings(oss_for_filetrans=readable)).transcribe(FILETRANS)

    assert task["output"]["task_status"] == status


@pytest.mark.parametrize("model", EVERY)
@pytest.mark.parametrize(
    ("reading", "code"),
    [("no_fragment", "SUCCESS_WITH_NO_VALID_FRAGMENT"), ("no_words", "ASR_RESPONSE_HAVE_NO_WORDS"), ("empty", None)],
)
def test_silence_any_way(start: Start, model: str, reading: Any, code: str | None) -> None:  # noqa: ANN401 - a Literal
    task = start([], readings=Readings(silence_task=reading)).transcribe(model)

    assert task["output"].get("code") == code
    if code is None:
        assert result(address(task))["transcripts"][0]["text"] == ""


@pytest.mark.parametrize(
    ("model", "given", "denied", "status", "code"),
    [
        ("qwen3-asr-flash", {"file_url": "u"}, False, 400, "InvalidParameter"),
        ("qwen3-asr-flash", {"file_url": "u"}, True, 403, "AccessDenied"),
        ("qwen9", {"file_url": "u"}, False, 404, "ModelNotFound"),
        ("fun-asr", {"file_url": "u"}, False, 400, "InvalidParameter"),
        ("fun-asr", {"file_urls": []}, False, 400, "InvalidParameter"),
        (AUDIO3, {"file_urls": ["u", "v"]}, False, 400, "InvalidParameter"),
    ],
)
def test_a_submit_it_refuses(
    start: Start, model: str, given: dict[str, Any], denied: bool, status: int, code: str
) -> None:
    answer = start(readings=Readings(sync_on_async_denied=denied)).submit(model, given)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_language_hints_are_not_for_qwen3(start: Start) -> None:
    laptop = start()

    assert laptop.submit(FILETRANS, {"file_url": "u"}, True, language_hints=["en"]).status_code == 400
    assert laptop.submit("fun-asr", {"file_urls": ["u"]}, True, language_hints=["en"]).status_code == 200


@pytest.mark.parametrize(("refuse", "status"), [(False, 200), (True, 400)])
def test_an_unknown_language_either_way(start: Start, refuse: bool, status: int) -> None:
    laptop = start(readings=Readings(refuse_unknown_language=refuse))

    assert laptop.submit(FILETRANS, {"file_url": "u"}, True, language="xx").status_code == status


def test_a_submit_without_the_async_header(start: Start) -> None:
    answer = start().http.post(TRANSCRIPTION, json={"model": "fun-asr", "input": {"file_urls": ["u"]}})

    assert (answer.status_code, answer.json()["code"]) == (403, "AccessDenied")
    assert answer.json()["message"] == "current user api does not support synchronous calls."


def test_several_files_succeed_when_one_does(start: Start) -> None:
    laptop = start()
    urls = [laptop.upload(wav(), model="fun-asr"), "oss://nowhere/b.wav"]
    output = laptop.finished(laptop.submit("fun-asr", {"file_urls": urls}).json()["output"]["task_id"])["output"]

    assert output["task_status"] == "SUCCEEDED"
    assert output["task_metrics"] == {"TOTAL": 2, "SUCCEEDED": 1, "FAILED": 1}
    assert [one["subtask_status"] for one in output["results"]] == ["SUCCEEDED", "FAILED"]
    assert output["results"][1]["code"] == "InvalidFile.DownloadFailed"


def test_a_task_runs_while_it_is_slow(start: Start) -> None:
    laptop = start(faults=Faults((Rule("submit", Slow(polls=2)),)))
    task_id = submitted(laptop)
    first, second = laptop.query(task_id)["output"], laptop.query(task_id)["output"]

    assert (first["task_status"], second["task_status"]) == ("RUNNING", "RUNNING")
    assert first["task_metrics"] == {"TOTAL": 1, "SUCCEEDED": 0, "FAILED": 0}
    assert "result" not in first
    assert laptop.finished(task_id)["output"]["task_status"] == "SUCCEEDED"


def test_a_task_is_slow_for_so_long(start: Start) -> None:
    now = [1_795_000_000.0]
    laptop = start(faults=Faults((Rule("submit", Slow(seconds=60)),)), clock=lambda: now[0])
    task_id = submitted(laptop)

    assert laptop.query(task_id)["output"]["task_status"] == "RUNNING"
    now[0] += 61
    assert laptop.finished(task_id)["output"]["task_status"] == "SUCCEEDED"


def test_a_query_may_be_a_post(start: Start) -> None:
    laptop = start()

    assert laptop.http.post(f"/api/v1/tasks/{submitted(laptop)}").json()["output"]["task_id"]


def test_an_unknown_task_is_unknown(start: Start) -> None:
    now = [time.time()]
    laptop = start(clock=lambda: now[0])
    task_id = submitted(laptop)

    assert laptop.query("00000000")["output"] == {"task_id": "00000000", "task_status": "UNKNOWN"}
    stranger = httpx2.get(f"{laptop.url}/api/v1/tasks/{task_id}", headers={"authorization": "Bearer other"})
    assert stranger.json()["output"]["task_status"] == "UNKNOWN"
    laptop.finished(task_id)
    now[0] += 24 * 3600
    assert laptop.query(task_id)["output"]["task_status"] == "UNKNOWN"


@pytest.mark.parametrize(
    ("status", "running_too", "answer"), [("PENDING", False, 200), ("RUNNING", False, 400), ("RUNNING", True, 200)]
)
def test_cancel(start: Start, status: Any, running_too: bool, answer: int) -> None:  # noqa: ANN401 - a Literal
    slow = Faults((Rule("submit", Slow(polls=100, status=status)),))
    laptop = start(faults=slow, readings=Readings(cancel_running=running_too))
    task_id = submitted(laptop)
    cancelled = laptop.http.post(f"/api/v1/tasks/{task_id}/cancel")

    assert cancelled.status_code == answer
    assert laptop.query(task_id)["output"]["task_status"] == ("CANCELED" if answer == 200 else status)
    if answer != 200:
        assert cancelled.json()["code"] == "UnsupportedOperation"


def test_the_list(start: Start) -> None:
    laptop = start(clock=lambda: 1_795_000_000.0)
    ids = [submitted(laptop, model) for model in EVERY]
    for task_id in ids:
        laptop.finished(task_id)

    def listed(**query: str) -> list[str]:
        body = laptop.http.get("/api/v1/tasks/", params=query).json()
        return [task["task_id"] for task in body["data"]]

    assert listed() == ids[::-1]
    assert listed(model_name="fun-asr") == [ids[1]]
    assert listed(status="FAILED") == []
    assert listed(page_no="2", page_size="3") == [ids[0]]
    assert listed(start_time="20261118190640", end_time="20261118190640") == ids[::-1]
    assert listed(end_time="20261118190639") == []
    assert laptop.http.get("/api/v1/tasks", params={"page_no": "x"}).status_code == 400


@pytest.mark.parametrize(("utc", "shown"), [(False, "19:06:40"), (True, "11:06:40")])
def test_times_either_way(start: Start, utc: bool, shown: str) -> None:
    laptop = start(clock=lambda: 1_795_000_000.0, readings=Readings(task_times_utc=utc))

    assert laptop.query(submitted(laptop))["output"]["submit_time"] == f"2026-11-18 {shown}.000"


@pytest.mark.parametrize("model", EVERY)
def test_a_task_fails_by_a_fault(start: Start, model: str) -> None:
    fault = FailTask("FILE_CHECK_FAILED", "bad")
    output = start(faults=Faults((Rule("submit", fault),))).transcribe(model)["output"]

    assert (output["task_status"], output["code"], output["message"]) == ("FAILED", "FILE_CHECK_FAILED", "bad")


@pytest.mark.parametrize("model", EVERY)
def test_a_file_fails_by_a_fault(start: Start, model: str) -> None:
    output = start(faults=Faults((Rule("submit", FailFile("DECODE_ERROR")),))).transcribe(model)["output"]

    if model == FILETRANS:
        assert (output["task_status"], output["code"]) == ("FAILED", "DECODE_ERROR")
    else:
        failed = output["results"][0]
        assert (output["task_status"], "code" in output) == ("SUCCEEDED", False)
        assert (failed["subtask_status"], failed["code"], "transcription_url" in failed) == (
            "FAILED",
            "DECODE_ERROR",
            False,
        )


def test_a_result_expires(start: Start) -> None:
    now = [1_795_000_000.0]
    laptop = start(clock=lambda: now[0])
    url = address(laptop.transcribe(FILETRANS))

    assert httpx2.get(url).status_code == 200
    assert "SignatureDoesNotMatch" in httpx2.get(url.replace("Expires=1", "Expires=2")).text
    assert httpx2.get(url.partition("?")[0]).status_code == 403
    now[0] += 24 * 3600 + 1
    late = httpx2.get(url)
    assert (late.status_code, late.headers["content-type"]) == (403, "application/xml")
    assert "Request has expired." in late.text


def test_a_result_expires_by_a_fault(start: Start) -> None:
    laptop = start(faults=Faults((Rule("query", Expire(), times=None),)))
    url = address(laptop.transcribe(FILETRANS))
    assert httpx2.get(url).status_code == 403


def test_a_result_may_ask_for_the_key(start: Start) -> None:
    laptop = start(readings=Readings(result_needs_key=True))
    url = address(laptop.transcribe(FILETRANS))

    assert (httpx2.get(url).status_code, laptop.http.get(url).status_code) == (401, 200)


def test_a_retired_model(start: Start) -> None:
    laptop = start(readings=Readings(retired=frozenset({"paraformer-v2"})))

    assert laptop.submit("paraformer-v2", {"file_urls": ["u"]}).json()["code"] == "AccessDenied"


def test_a_key_is_asked_for(start: Start) -> None:
    url = start().url

    assert httpx2.post(url + TRANSCRIPTION, json={}, headers=ASYNC).json()["code"] == "InvalidApiKey"
    assert httpx2.get(f"{url}/api/v1/tasks/1").status_code == 401
