from __future__ import annotations

from typing import Any

import msgspec
import pytest

from compat.dashscope_api.filetrans import Subtask, Task
from compat.errors import ServiceFailed
from compat.transcript import Usage


def task(output: dict[str, Any] | None, **more: object) -> Task:
    return msgspec.convert({"request_id": "r", "output": output, **more}, Task)


def test_a_task_without_a_status_raises_service_failed() -> None:
    outputs: list[dict[str, Any] | None] = [None, {}, {"output": {}}]
    for output in outputs:
        with pytest.raises(ServiceFailed):
            _ = task(output).status


def test_a_failed_task_without_a_code_has_a_default_message() -> None:
    assert task({"task_status": "FAILED"}).failure == Subtask(message="The task ended without a result.")


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"seconds": 3, "duration": 9}, Usage(seconds=3.0)),
        ({"duration": 9}, Usage(seconds=9.0)),
        (
            {"input_tokens": 5, "output_tokens": 1, "total_tokens": 6},
            Usage(audio_tokens=5, text_tokens=0, output_tokens=1),
        ),
    ],
)
def test_the_billed_usage(counts: dict[str, int], usage: Usage) -> None:
    billed = task({}, usage=counts).usage

    assert billed is not None
    assert usage == billed.usage()
