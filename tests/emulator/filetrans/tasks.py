"""File tasks of the emulator, submitted and read by tests."""

from __future__ import annotations

from typing import Any

from tests.emulator.running import RunningEmulator, wav

FILETRANS = "qwen3-asr-flash-filetrans"
AUDIO3 = "qwen-audio-3.1-asr-flash-filetrans"
EVERY = [FILETRANS, "fun-asr", "paraformer-v2", AUDIO3]


def address(task: dict[str, Any]) -> str:
    """The result's, wherever the dialect puts it."""
    output = task["output"].get("output") or task["output"]
    found: str = (output.get("result") or output["results"][0])["transcription_url"]
    return found


def submitted(service: RunningEmulator, model: str = FILETRANS, **parameters: object) -> str:
    url = service.upload(wav(), model=model)
    body = service.submit(model, {"file_url": url, "file_urls": [url]}, True, **parameters).json()
    assert body["output"]["task_status"] == "PENDING"
    task_id: str = body["output"]["task_id"]
    return task_id
