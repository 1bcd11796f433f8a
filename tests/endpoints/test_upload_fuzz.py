"""Generated forms: each is parsed or refused, with the same result in any chunks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

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
    """Return the outcome, which is the same on disk, in memory, and in memory until it is full."""
    on_disk, *others = [await outcome_in(memory, chunks) for memory in (0, 4096, 3)]
    assert [on_disk] * 2 == others
    return on_disk


async def outcome_in(memory: int, chunks: Sequence[bytes]) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        place = UploadPlace(path, memory=Shares(memory))
        messages = _messages(chunks)

        async def come() -> Message:
            return next(messages)

        headers = [(b"content-type", b"multipart/form-data; boundary=b")]
        request = Request({"type": "http", "method": "POST", "headers": headers}, come)
        try:
            form = await receive(request, place, limit=4096, turns=LoopTurns())
        except CompatError as exc:
            assert isinstance(exc, BadRequest | TooLarge)  # noqa: PT017 - either is as good
            return exc.message
        assert path.exists() != bool(place.audio)
        return form.fields, place.audio or path.read_bytes()


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
