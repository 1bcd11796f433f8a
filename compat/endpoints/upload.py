"""Receiving uploads: the file of a form is kept in memory.

A file that is too large for that is written to disk and hashed while the body arrives.
"""

from __future__ import annotations

import asyncio
import binascii
import contextlib
import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, TypeAlias
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from compat.endpoints import usual
from compat.endpoints.bodies import MOST_ESCAPES, Texts, check_encoding
from compat.endpoints.multipart import ALL_FIELDS, Parts, with_parameters
from compat.endpoints.usual import WHOLE, WholeBody
from compat.errors import BadAudio, BadRequest, DiskFull, TooLarge
from compat.transcription.spool import NO_ROOM, SMALL, UploadPlace, create, full_disk

BLOCK = 1 << 20  # bytes; large files are written in a thread, in blocks of about this size
SCRAP = 4 << 10  # bytes; smaller pieces are joined, because some clients and boundaries produce very many of them
READ = 256 << 10  # bytes that are read and hashed at a time
# Bytes from which a file is hashed while it arrives. Hashing costs 0.7 ms per MiB, and only jobs need the hash. Smaller
# files rarely become jobs, and hashing them afterwards is quick.
HASHED_MEANWHILE = 64 << 20
DATA = "file is a data URL: send it as url."
_STANDARD = bytes.maketrans(b"-_", b"+/")
LONGEST_PATH = 200  # bytes; a shorter file without a file name may be a path sent as text

Fields: TypeAlias = list[tuple[str, str]]


class Upload:
    """A received form: `fields` in order, and the file of `size` bytes in `place`.

    `pending` holds the `waiting` bytes that are not yet on disk, as a list: a single growing buffer would be copied
    repeatedly, which costs as much as writing it.
    """

    def __init__(self, place: UploadPlace, limit: int) -> None:
        self.place = place
        self.path = place.path
        self._limit = limit
        self._file: BinaryIO | None = None
        self.pending: list[memoryview | bytearray] = []
        self.waiting = 0
        self.size = 0
        self.fields: Fields = []
        self._hash = hashlib.sha256()
        self._hashed = 0

    def add(self, piece: memoryview) -> None:
        """Add a piece of the file. Raises TooLarge."""
        self.size += len(piece)
        self.waiting += len(piece)
        if self.size > self._limit:
            raise TooLarge(f"The file is larger than {self._limit} bytes, the limit of this server.")
        if len(piece) >= SCRAP:
            self.pending.append(piece)
            return
        last = self.pending[-1] if self.pending else None
        if not isinstance(last, bytearray):
            last = bytearray()
            self.pending.append(last)
        last += piece

    def fits(self, new_bytes: int) -> bool:
        """Return whether the pending bytes may stay in memory, after `new_bytes` were added."""
        return self.place.keep(new_bytes) and self.waiting <= (SMALL if self._file is None else BLOCK)

    async def work_off(self) -> None:
        """Write the pending bytes to disk, and update the hash of a large file. Raises DiskFull."""
        with full_disk():
            file = self._file = self._file or create(self.path)
            await asyncio.to_thread(self._work_off, file)
        self.place.forget()

    def _work_off(self, file: BinaryIO) -> None:
        self._write(file)
        if self.size > HASHED_MEANWHILE:
            file.flush()
            self.content()

    def _write(self, file: BinaryIO) -> None:
        file.writelines(self.pending)
        self.pending.clear()
        self.waiting = 0

    def end(self) -> None:
        """Complete the file. Raises DiskFull."""
        if self._file is None:
            self.place.audio = memoryview(b"".join(self.pending))
            self.pending.clear()
            self.waiting = 0
            return
        with full_disk():
            self._write(self._file)
            self._file.close()
        self.place.forget()

    def hold(self, form: usual.Form) -> None:
        """Take a complete form, whose file stays in memory."""
        self.place.audio, self.size, self.fields = form.file, len(form.file), form.fields

    def close(self) -> None:
        """Close the file, if there is one, complete or not."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # of a full disk, which was reported or no longer matters
                self._file.close()

    def start(self, size: int) -> bytes:
        """Return the first bytes of the complete file."""
        if self.place.audio or not self.size:
            return bytes((self.place.audio or b"")[:size])
        with self.path.open("rb", buffering=0) as file:
            return file.read(size)

    def content(self) -> str:
        """Return the SHA-256 of the complete file, or of what is on disk, in hexadecimal."""
        if self.place.audio or not self.size:
            return hashlib.sha256(self.place.audio or b"").hexdigest()
        with self.path.open("rb", buffering=0) as file:
            file.seek(self._hashed)
            while block := file.read(READ):
                self._hash.update(block)
                self._hashed += len(block)
        return self._hash.hexdigest()


async def receive(request: Request, place: UploadPlace, *, limit: int, turns: LoopTurns) -> Upload:
    """Read the whole form, and put its file into `place`. With a `url` instead of a file, `place` stays empty.

    Raises BadRequest, EncodedBody, BadAudio (no file or an empty one), TooLarge, Overloaded or DiskFull as soon as the
    reason is known, without reading on. Starlette's ClientDisconnect is passed through.
    """
    upload = Upload(place, limit)
    kind, boundary = _kind(request)
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else 0
    if size > limit + ALL_FIELDS:
        raise TooLarge(f"The request is larger than {limit} bytes, the limit of this server.")
    if size:
        place.expect(size)
        if size > SMALL and size > _room(place.path):
            raise DiskFull(NO_ROOM, retry_after=60)
    body = await _whole(request, place, size) if boundary and size <= min(SMALL, limit) else None
    if body is not None and (form := usual.form(body, boundary)) is not None:
        upload.hold(form)
        return upload
    parts: Parts | Texts = Parts(boundary, upload.add) if boundary else Texts(kind)
    received_any = False
    try:
        async for chunk in request.stream() if body is None else _once(body, place):
            received_any = received_any or bool(chunk)
            size, text = upload.size, parts.text
            parts.feed(chunk)
            place.reserve(file=upload.size - size, text=parts.text - text)
            if not upload.fits(upload.size - size):
                await upload.work_off()
        if not (received_any or "content-length" in request.headers or "transfer-encoding" in request.headers):
            raise BadRequest("The request has no body: it has neither Content-Length nor Transfer-Encoding.")
        parts.end()
        if not upload.size and (audio := _embedded(parts)):
            place.reserve(file=len(audio))
            upload.add(memoryview(audio))
            if not upload.fits(len(audio)):
                await upload.work_off()
        await turns.wait()
        upload.end()
    finally:
        upload.close()
    upload.fields = parts.fields
    _complete(parts, upload)
    return upload


def _room(path: Path) -> int:
    """Return the free disk space in bytes."""
    return shutil.disk_usage(path.parent).free


async def _whole(request: Request, place: UploadPlace, size: int) -> bytearray | None:
    """Return the body in one piece, with its bytes counted, or None if the server, or the memory, has no room for that.

    Raises Overloaded.
    """
    whole: WholeBody | None = request.scope.get("extensions", {}).get(WHOLE)
    if whole is None:
        return None
    place.reserve(file=size)
    if place.keep(size) and (body := await whole(size)) is not None:
        return body
    _uncount(place, size)
    return None


async def _once(body: bytearray, place: UploadPlace) -> AsyncIterator[bytes]:
    """Yield the body of an unusual form, whose bytes are counted again with its parts."""
    _uncount(place, len(body))
    yield bytes(body)


def _uncount(place: UploadPlace, size: int) -> None:
    place.reserve(file=-size)
    place.forget()


def _kind(request: Request) -> tuple[bytes, bytes]:
    """Return the type of the body, and the boundary of a form. Raises BadRequest or EncodedBody."""
    check_encoding(request)
    given = request.headers.get("content-type", "")
    if boundary := usual.boundary(given):
        return b"multipart/form-data", boundary
    kind, options = with_parameters(given)
    if kind in (b"application/json", b"application/x-www-form-urlencoded"):
        return kind, b""
    if kind != b"multipart/form-data":
        raise BadRequest("Send the audio as multipart/form-data with the fields file and model.", param="file")
    if not options.get(b"boundary"):
        raise BadRequest(
            "The header Content-Type has no boundary: let the client library set it (curl: -F).", param="file"
        )
    return kind, options[b"boundary"]


def _embedded(parts: Parts | Texts) -> bytes:
    """Return the audio of a data URL in `url`, which replaces the file; without one, return no bytes.

    Like Groq, this accepts base64 in the standard and in the URL-safe alphabet. Raises BadRequest.
    """
    url = next((value.strip() for name, value in parts.fields if name == "url"), "")
    if url[:5].lower() != "data:":
        return b""
    head, _, data = url.partition(",")
    if not head.lower().endswith(";base64"):
        raise BadRequest("url is a data URL without base64: encode the audio in base64.", param="url")
    if data.count("%") > MOST_ESCAPES:
        raise BadRequest("url has too many escapes: write the base64 without them.", param="url")
    coded = unquote_to_bytes(data).translate(_STANDARD, b"\r\n")
    try:
        audio = binascii.a2b_base64(coded + b"=" * (-len(coded) % 4), strict_mode=True)
    except binascii.Error as exc:
        raise BadRequest("url is not well-formed base64.", param="url") from exc
    parts.fields = [(name, value) for name, value in parts.fields if name != "url"]
    parts.files, parts.named = 1, True
    return audio


def _complete(parts: Parts | Texts, upload: Upload) -> None:
    url = any(name == "url" and value.strip() for name, value in parts.fields)
    if url and upload.size:
        raise BadRequest("The form has a file and a url; send one of them.", param="url")
    if url:
        return
    if not parts.files:
        if any(name == "file" and value.startswith("data:") for name, value in parts.fields):
            raise BadAudio(DATA)
        raise BadAudio(parts.MISSING, code="missing_required_parameter")
    if not upload.size:
        raise BadAudio("The file is empty.")
    if not parts.named and upload.start(5).lower() == b"data:":
        raise BadAudio(DATA)
    if not parts.named and upload.size <= LONGEST_PATH and upload.start(LONGEST_PATH).isascii():
        raise BadAudio("file is a text field instead of a file: with curl, write -F file=@speech.wav.")


class LoopTurns:
    """Spread simultaneous work of many requests over iterations of the event loop.

    A health check or a live frame then waits for one request's work instead of for all.
    """

    def __init__(self) -> None:
        self._taken = asyncio.Lock()

    async def wait(self) -> None:
        """Return at once, or after each earlier waiter has had its own iteration of the loop."""
        await self._taken.acquire()
        asyncio.get_running_loop().call_soon(self._taken.release)
