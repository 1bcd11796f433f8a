from __future__ import annotations

import pytest

from compat.dashscope_api.sse import LARGEST, Events, ServerSentEvent
from compat.errors import ServiceFailed
from tests.dashscope_api.support import splits

STREAMS = {
    "plain": (b'data: {"a":1}\n\ndata: [DONE]\n\n', [ServerSentEvent("", b'{"a":1}'), ServerSentEvent("", b"[DONE]")]),
    "crlf": (b"data: 1\r\n\r\ndata: 2\r\n\r\n", [ServerSentEvent("", b"1"), ServerSentEvent("", b"2")]),
    "cr": (b"data: 1\r\rdata: 2\r\r", [ServerSentEvent("", b"1"), ServerSentEvent("", b"2")]),
    "native": (
        b"id:1\nevent:result\n:HTTP_STATUS/200\ndata:{}\n\nid: 2\nevent: error\nstatus:400\ndata: x\n\n",
        [ServerSentEvent("result", b"{}"), ServerSentEvent("error", b"x")],
    ),
    "several lines": (b"data: a\ndata:b\n\n", [ServerSentEvent("", b"a\nb")]),
    "heartbeats": (b":\n\n: ping\n\nretry: 3\n\ndata\n\ndata:\n\n", []),
    "no last blank line": (b"data: 1\n\ndata: 2", [ServerSentEvent("", b"1"), ServerSentEvent("", b"2")]),
    "utf-8": ("data: 欢迎\n\n".encode(), [ServerSentEvent("", "欢迎".encode())]),
    "an object instead of a stream": (b'\n {"code":\n "X"}\n', [ServerSentEvent("", b'{"code":\n "X"}')]),
    "a page instead of a stream": (b"<html>\n</html>\n", []),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("raw", "events"), STREAMS.values(), ids=STREAMS)
def test_a_stream_may_be_split_anywhere(raw: bytes, events: list[ServerSentEvent]) -> None:
    for pieces in splits(raw):
        parser = Events()

        parsed = [event for piece in pieces for event in parser.feed(piece)] + parser.flush()

        assert events == parsed


@pytest.mark.parametrize("start", [b"data: ", b": ", b" {", b"data: 1\ndata: ", b"data: 1\r\n\r\ndata: "])
def test_the_size_of_an_event_is_bounded(start: bytes) -> None:
    parser = Events()
    parser.feed(start)
    block = b"a" * (LARGEST // 8)
    for _ in range(7):
        assert [] == parser.feed(block)
    with pytest.raises(ServiceFailed, match="more than 8 MiB"):
        parser.feed(block)


def test_the_total_size_of_the_lines_of_an_event_is_bounded() -> None:
    line = b"data: " + b"a" * (LARGEST // 8) + b"\n"
    parser = Events()
    for _ in range(7):
        parser.feed(line)
    with pytest.raises(ServiceFailed, match="more than 8 MiB"):
        parser.feed(line)


def test_an_event_is_emitted_at_its_blank_line() -> None:
    assert [ServerSentEvent("", b"1")] == Events().feed(b"data: 1\n\ndata: 2\n")
