from __future__ import annotations

from pathlib import Path

import pytest

from compat.dashscope_api.calls import Call, File, Flow, ask, json_call
from tests.dashscope_api.support import answer, play


@pytest.mark.parametrize(("size", "sent"), [(0, 0), (1, 4), (2, 4), (3, 4), (4, 8), (1 << 20, 1398104)])
def test_the_number_of_bytes_sent_for_a_file(size: int, sent: int) -> None:
    assert File(Path("a"), size, base64=True).sent == sent
    assert File(Path("a"), size).sent == size


def test_the_length_of_a_call_is_the_sum_of_its_parts() -> None:
    assert Call(method="POST", url="/", body=(b"12", File(Path("a"), 10), b"3")).length == 13


def test_a_json_call_has_an_encoded_body_and_a_content_type() -> None:
    assert json_call("/u", {"a": 1}, {"x": "1"}, repeatable=False) == Call(
        method="POST",
        url="/u",
        headers={"content-type": "application/json", "x": "1"},
        body=(b'{"a":1}',),
        repeatable=False,
    )


def fetch() -> Flow[bytes]:
    return (yield from ask(Call(method="GET", url="/u"))).body


def test_a_flow_yields_a_call_and_receives_the_reply() -> None:
    steps, body = play(fetch(), [answer(b"yes")])

    assert (steps, body) == ([Call(method="GET", url="/u")], b"yes")


def test_a_driver_that_sends_no_reply_raises_a_type_error() -> None:
    flow = fetch()
    next(flow)

    with pytest.raises(TypeError):
        flow.send(None)
