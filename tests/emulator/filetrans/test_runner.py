"""File tasks from PENDING to their end: files that fail, silence, several files, faults."""

from __future__ import annotations

from typing import Any

import pytest

from compat.emulator.faults import FailFile, FailTask, Faults, Rule
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.filetrans.tasks import AUDIO3, EVERY, FILETRANS, address
from tests.emulator.running import Start, result, wav


def test_a_missing_channel(start: Start) -> None:
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
def test_a_file_that_cannot_be_fetched(
    start: Start, model: str, given: dict[str, Any], resolve: bool, code: str
) -> None:
    service = start()
    places = {"UPLOAD": service.upload(wav(), model=model), "OTHER": service.upload(wav(), model="other")}
    filled = {
        name: places.get(value, value) if isinstance(value, str) else [places.get(one, one) for one in value]
        for name, value in given.items()
    }
    answer = service.submit(model, filled, resolve)
    output = service.finished(answer.json()["output"]["task_id"])["output"]

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
def test_an_unusable_file(start: Start, sound: bytes, limits: Limits, code: str) -> None:
    service = start(limits=limits)
    url = service.upload(sound, model=FILETRANS)
    output = service.finished(service.submit(FILETRANS, {"file_url": url}).json()["output"]["task_id"])["output"]

    assert (output["task_status"], output["code"]) == ("FAILED", code)


def test_a_name_that_is_not_ascii_is_stored_but_not_read(start: Start) -> None:
    service = start()
    url = service.upload(wav(), model=FILETRANS, name="a b.wav")
    task_id = service.submit(FILETRANS, {"file_url": url}).json()["output"]["task_id"]

    assert service.finished(task_id)["output"]["code"] == "FILE_DOWNLOAD_FAILED"


@pytest.mark.parametrize(("readable", "status"), [(True, "SUCCEEDED"), (False, "FAILED")])
def test_oss_for_filetrans_under_both_readings(start: Start, readable: bool, status: str) -> None:
    task = start(readings=Readings(oss_for_filetrans=readable)).transcribe(FILETRANS)

    assert task["output"]["task_status"] == status


@pytest.mark.parametrize("model", EVERY)
@pytest.mark.parametrize(
    ("reading", "code"),
    [("no_fragment", "SUCCESS_WITH_NO_VALID_FRAGMENT"), ("no_words", "ASR_RESPONSE_HAVE_NO_WORDS"), ("empty", None)],
)
def test_silence_under_every_reading(start: Start, model: str, reading: Any, code: str | None) -> None:  # noqa: ANN401 - a Literal
    task = start([], readings=Readings(silence_task=reading)).transcribe(model)

    assert task["output"].get("code") == code
    if code is None:
        assert result(address(task))["transcripts"][0]["text"] == ""


def test_a_task_succeeds_if_one_of_its_files_does(start: Start) -> None:
    service = start()
    urls = [service.upload(wav(), model="fun-asr"), "oss://nowhere/b.wav"]
    output = service.finished(service.submit("fun-asr", {"file_urls": urls}).json()["output"]["task_id"])["output"]

    assert output["task_status"] == "SUCCEEDED"
    assert output["task_metrics"] == {"TOTAL": 2, "SUCCEEDED": 1, "FAILED": 1}
    assert [one["subtask_status"] for one in output["results"]] == ["SUCCEEDED", "FAILED"]
    assert output["results"][1]["code"] == "InvalidFile.DownloadFailed"


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
