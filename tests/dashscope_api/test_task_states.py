from __future__ import annotations

from typing import Any

import msgspec
import pytest

from compat.dashscope_api.filetrans import Subtask, Task
from compat.errors import ServiceFailed
from compat.transcript import Usage


def task(output: dict[str, Any] | None, **more: object) -> Task:
    return msgspec.convert({"request_id": "r", "output": output, **more}, Task)


def test_a_task_without_a_state_is_nonsense() -> None:
    outputs: list[dict[str, Any] | None] = [None, {}, {"output": {}}]
    for output in outputs:
        with pytest.raises(ServiceFailed):
            _ = task(output).status


def test_without_a_code_nobody_is_blamed() -> None:
    assert task({"task_status": "FAILED"}).blame == Subtask(message="The task ended without a result.")


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"seconds": 3, "duration": 9}, Usage(seconds=3.0)),
        ({"duration": 9}, Usage(seconds=9.0)),
        ({"input_tokens": 5, "output_tokens": 1, "total_tokens": 6}, Usage(audio_tokens=5, output_tokens=1)),
    ],
)
def test_what_is_billed(told: dict[str, int], usage: Usage) -> None:
    billed = task({}, usage=told).usage

    assert billed is not None
    assert usage == billed.usage()
