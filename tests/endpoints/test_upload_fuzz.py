"""Generated forms: each is parsed or refused, with the same result in any chunks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from compat.endpoints import usual
from compat.endpoints.upload import LoopTurns, receive
from compat.errors import BadRequest, CompatError, TooLarge
from compat.transcription.spool import UploadPlace
from compat.upstream.shares import Shares

PATIENT = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
Outcome = tuple[list[tuple[str, str]], bytes] | str

lines = st.sampled_from(
    [
        b"--b\r\n",
        b"--b--\r\n",
        b"\r\n",
        b"--b",
        b"content-disposition: form-data; name=file; filename=a.wav\r\n",
        b'content-disposition: form-data; name="file"; filename="a.wav"\r\n',
        b'content-disposition: form-data; name="model"\r\n',
        b"Content-Disposition: form-data; name=\"prompt\"; filename*=utf-8''%e2\r\n",
        b"content-disposition:\r\n",
        b"content-type: audio/wav\r\n",
        b": \r\n",
        b"x" * 300,
        b"\x00\xff",
    ]
)
bodies = st.lists(lines | st.binary(max_size=40), max_size=14).map(b"".join)


async def outcome(chunks: Sequence[bytes]) -> Outcome:
    """Return the outcome, which is the same on disk, in memory, in memory until it is full, and of a body that the
    server receives into one buffer. Its errors may have other texts."""
    on_disk, *others = [await outcome_in(memory, chunks) for memory in (0, 4096, 3)]
    whole = await outcome_in(4096, chunks, whole=True)
    assert [on_disk] * 2 == others
    assert on_disk == whole or (isinstance(on_disk, str) and isinstance(whole, str))
    return on_disk


async def outcome_in(memory: int, chunks: Sequence[bytes], *, whole: bool = False) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        place = UploadPlace(path, memory=Shares(memory))
        messages = _messages(chunks)

        async def come() -> Message:
            return next(messages)

        async def come_whole(size: int) -> bytearray:
            body = bytearray(b"".join(chunks))
            assert size == len(body)
            return body

        headers = [(b"content-type", b"multipart/form-data; boundary=b")]
        scope: dict[str, Any] = {"type": "http", "method": "POST", "headers": headers}
        if whole:
            headers.append((b"content-length", str(sum(map(len, chunks))).encode()))
            scope["extensions"] = {usual.WHOLE: come_whole}
        request = Request(scope, come)
        try:
            form = await receive(request, place, limit=4096, turns=LoopTurns())
        except CompatError as exc:
            assert isinstance(exc, BadRequest | TooLarge)  # noqa: PT017 - either is as good
            return exc.message
        assert path.exists() != bool(place.audio)
        return form.fields, bytes(place.audio or b"") or path.read_bytes()


def _messages(chunks: Sequence[bytes]) -> Iterator[Message]:
    for chunk in chunks:
        yield {"type": "http.request", "body": chunk, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}


@given(bodies)
@PATIENT
async def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    assert await outcome([body])


WHOLE = (
    b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--c\r\n--b--\r\n'
)


@given(bodies | st.just(WHOLE), st.integers(1, 9))
@PATIENT
async def test_a_form_is_parsed_alike_in_any_chunks(body: bytes, size: int) -> None:
    whole = await outcome([body])
    pieces = await outcome([body[place : place + size] for place in range(0, len(body), size)])

    assert whole == pieces or (isinstance(whole, str) and isinstance(pieces, str))


async def test_a_form_is_parsed_alike_split_at_every_byte() -> None:
    whole = await outcome([WHOLE])

    assert ([("model", "whisper-1")], b"RIFF\r\n--c") == whole
    for place in range(len(WHOLE)):
        assert whole == await outcome([WHOLE[:place], WHOLE[place:]])
