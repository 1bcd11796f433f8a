"""Parsing of responses: every conversation in one piece, in two pieces cut at every byte, and byte by byte."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from compat.upstream.parsing import CHUNK, FRAMING, RequestHead, ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CLOSE = b"connection: close\r\n"

WHOLE: list[tuple[bytes, int, bytes, bool]] = [
    # the response → its status and body, and whether the connection can be used again
    (OK + b"content-length: 2\r\n\r\n{}", 200, b"{}", True),
    (OK + b"content-length: 0\r\n\r\n", 200, b"", True),
    (OK + CLOSE + b"content-length: 2\r\n\r\n{}", 200, b"{}", False),
    (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}", 200, b"{}", False),
    (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\n{}", 200, b"{}", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n", 304, b"", True),
    (b"HTTP/1.1 404\r\ncontent-length: 1\r\n\r\n?", 404, b"?", True),
    (CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", 200, b"{}", True),
    (CHUNKED + b"1;a=b\r\n{\r\n1\r\n}\r\n0\r\nx-trailer: 1\r\n\r\n", 200, b"{}", True),
    (CONTINUE + OK + b"content-length: 2\r\n\r\n{}", 200, b"{}", True),
    (CONTINUE + HINTS + CONTINUE + CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", 200, b"{}", True),
    (OK + b"upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 2\r\n\r\n{}", 200, b"{}", True),
]
UNTIL_EOF = OK + b"content-type: text/plain\r\n\r\nall of it"
BROKEN = [
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HTTP/3.0 200 OK\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    OK + b"no colon\r\n\r\n",
    OK + b"content-length: 1, 2\r\n\r\n",
    OK + b"content-length: -1\r\n\r\n",
    CHUNKED + b"nonsense",
]
UNFINISHED = [
    b"",
    OK,
    CONTINUE,
    OK + b"content-length: 3\r\n\r\n{}",
    CHUNKED + b"2\r\n{}\r\n",
    CHUNKED + b"2\r\n{}\r\n0\r\n",
]


def splits(data: bytes) -> Iterator[list[bytes]]:
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    yield from ([data[:at], data[at:]] for at in range(1, len(data)))


def parsed(pieces: list[bytes], *, head_only: bool = False) -> ResponseParser:
    parser = ResponseParser(head_only=head_only)
    for piece in pieces:
        parser.feed(piece)
    return parser


@pytest.mark.parametrize(("response", "status", "body", "reusable"), WHOLE)
def test_a_response_is_the_same_however_it_is_cut(response: bytes, status: int, body: bytes, reusable: bool) -> None:
    for pieces in splits(response):
        parser = parsed(pieces)
        assert (True, status, body) == (parser.done, parser.status, b"".join(parser.chunks))
        assert reusable is parser.reusable
        assert b"x-trailer" not in dict(parser.headers)
        assert b"link" not in dict(parser.headers)


@pytest.mark.parametrize(("response", "status", "body", "reusable"), WHOLE)
def test_bytes_after_a_response_make_the_connection_unusable(
    response: bytes, status: int, body: bytes, reusable: bool
) -> None:
    parser = parsed([response + OK + b"content-length: 5\r\n\r\nother"])

    assert (True, status, body, False) == (parser.done, parser.status, b"".join(parser.chunks), parser.reusable)
    assert reusable is parsed([response]).reusable


def test_a_body_without_length_ends_with_the_connection() -> None:
    for pieces in splits(UNTIL_EOF):
        parser = parsed(pieces)
        assert not parser.done
        parser.eof()
        assert (True, False, b"all of it") == (parser.done, parser.reusable, b"".join(parser.chunks))


def test_a_response_to_head_has_no_body() -> None:
    for pieces in splits(OK + b"content-length: 2\r\n\r\n{}"):
        parser = parsed(pieces, head_only=True)
        assert (True, 200, []) == (parser.done, parser.status, list(parser.chunks))


@pytest.mark.parametrize("response", BROKEN)
def test_a_response_other_than_http_raises(response: bytes) -> None:
    for pieces in splits(response):
        with pytest.raises(httpx2.RemoteProtocolError):
            parsed(pieces).eof()


@pytest.mark.parametrize("response", UNFINISHED)
def test_an_end_before_the_end_of_the_response_raises(response: bytes) -> None:
    with pytest.raises(httpx2.RemoteProtocolError, match="disconnected"):
        parsed([response]).eof()


@pytest.mark.parametrize("start", [OK + b"x: ", CONTINUE, OK + b"a: b\r\n", CHUNKED + b"0\r\nx: ", CHUNKED + b"1;"])
def test_heads_trailers_and_interim_responses_are_bounded(start: bytes) -> None:
    parser = ResponseParser(head_only=False)
    parser.feed(start)
    more = start.removeprefix(OK) if start.endswith(b"\r\n") else b"a" * 1000
    for _ in range((FRAMING - len(start)) // len(more)):
        parser.feed(more)
    with pytest.raises(httpx2.RemoteProtocolError, match="more than 100 KiB"):
        parser.feed(more * 20)


def test_small_chunks_are_not_taken_for_an_endless_head() -> None:
    parser = parsed([CHUNKED, *[b"1\r\na\r\n"] * FRAMING])

    assert FRAMING == parser.size


def test_chunks_of_a_body_are_bounded() -> None:
    parser = parsed([OK + b"content-length: %d\r\n\r\n" % (3 * CHUNK + 1), b"x" * (3 * CHUNK + 1)])

    assert [CHUNK, CHUNK, CHUNK, 1] == [len(chunk) for chunk in parser.chunks]


def head_of(request: httpx2.Request) -> RequestHead:
    return RequestHead(request.method, request.url.raw_path, request.headers.raw)


HEADERS: list[dict[str, str]] = [{"a": "b\r\nc: d"}, {"a": "b\nc"}, {"a": "\0"}, {"a b": "c"}, {"": "b"}, {"a:": "b"}]


@pytest.mark.parametrize("headers", HEADERS)
def test_a_header_cannot_contain_another_one(headers: dict[str, str]) -> None:
    with pytest.raises(httpx2.LocalProtocolError):
        head_of(httpx2.Request("GET", "http://localhost/", headers=headers))


@pytest.mark.parametrize("method", ["GET / HTTP/1.1\r\nA:", "A B", ""])
def test_a_method_is_a_token(method: str) -> None:
    with pytest.raises(httpx2.LocalProtocolError):
        head_of(httpx2.Request(method, "http://localhost/"))


def test_the_head_of_a_request() -> None:
    request = httpx2.Request("POST", "http://localhost:1/a b?c=ü", headers=[(b"X-A", b"b \xfc")], content=b"12")
    head = head_of(request)

    assert 2 == head.length
    assert head.data.startswith(b"POST /a%20b?c=%C3%BC HTTP/1.1\r\nHost: localhost:1\r\n")
    assert b"X-A: b \xfc" in head.data
