from __future__ import annotations

from pathlib import Path

import pytest

from compat.dashscope_api.calls import Call, File, Flow, ask, json_call
from tests.dashscope_api.asking import answer, play


@pytest.mark.parametrize(("size", "sent"), [(0, 0), (1, 4), (2, 4), (3, 4), (4, 8), (1 << 20, 1398104)])
def test_what_a_file_becomes_on_the_wire(size: int, sent: int) -> None:
    assert File(Path("a"), size, base64=True).sent == sent
    assert File(Path("a"), size).sent == size


def test_a_call_knows_its_length() -> None:
    assert Call(method="POST", url="/", body=(b"12", File(Path("a"), 10), b"3")).length == 13


def test_a_json_call() -> None:
    assert json_call("/u", {"a": 1}, {"x": "1"}, repeatable=False) == Call(
        method="POST",
        url="/u",
        headers={"content-type": "application/json", "x": "1"},
        body=(b'{"a":1}',),
        repeatable=False,
    )


def asking() -> Flow[bytes]:
    return (yield from ask(Call(method="GET", url="/u"))).body


def test_a_flow_asks_and_is_answered() -> None:
    steps, body = play(asking(), [answer(b"yes")])

    assert (steps, body) == ([Call(method="GET", url="/u")], b"yes")


def test_a_call_without_an_answer_is_a_drivers_mistake() -> None:
    flow = asking()
    next(flow)

    with pytest.raises(TypeError):
        flow.send(None)
