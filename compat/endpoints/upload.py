"""A multipart form as it arrives: text fields in order, the file straight to disk, its hash on the way."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from compat.endpoints.turns import Turns
from compat.errors import BadAudio, BadRequest, DiskFull, TooLarge

BLOCK = 1 << 20  # bytes; what is larger is written off the loop, in blocks of about this size
SCRAP = 4 << 10  # bytes; smaller pieces are put together, as some callers and some boundaries make very many of them
READ = 256 << 10  # bytes read at a time to be hashed
# Bytes from which a file is hashed while it comes. That costs 0.7 ms a MiB, and only jobs need it: smaller files mostly
# are none, and those that are have little to catch up with.
HASHED_MEANWHILE = 64 << 20
NO_ROOM = "This server has no room for the file now."
MOST_PARTS = 512
LONGEST_FIELD = 4 << 20  # bytes; a voice sample of 10 s as a data URL is the largest a field may hold
ALL_FIELDS = 24 << 20
LONGEST_PATH = 200  # bytes of a file that came without a name: it may be a path itself


class Upload:
    """The form: `fields` in order, and the file at `path` with `size` bytes. `pending`: bytes not yet on disk, as they
    came: a buffer that grows is copied again and again, which costs as much as writing it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pending: list[memoryview | bytearray] = []
        self.waiting = 0
        self.size = 0
        self.files = 0
        self.fields: list[tuple[str, str]] = []
        self._hash = hashlib.sha256()
        self._hashed = 0

    def add(self, piece: memoryview) -> None:
        self.size += len(piece)
        self.waiting += len(piece)
        if len(piece) >= SCRAP:
            self.pending.append(piece)
            return
        last = self.pending[-1] if self.pending else None
        if not isinstance(last, bytearray):
            last = bytearray()
            self.pending.append(last)
        last += piece

    def write(self, file: BinaryIO) -> None:
        """Takes what is pending to disk."""
        file.writelines(self.pending)
        self.pending.clear()
        self.waiting = 0

    def work_off(self, file: BinaryIO) -> None:
        """The same, and takes what is on disk of a large file into its hash."""
        self.write(file)
        if self.size > HASHED_MEANWHILE:
            file.flush()
            self.content()

    def content(self) -> str:
        """The SHA-256 of the file on disk, as far as it is there."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(self._hashed)
            while block := file.read(READ):
                self._hash.update(block)
                self._hashed += len(block)
        return self._hash.hexdigest()


class _Parts:
    """The parser's callbacks. Bytes of the file wait in the upload's `pending` until the caller writes them."""

    def __init__(self, upload: Upload, limit: int) -> None:
        self.upload = upload
        self.limit = limit
        self.ended = False
        self._parts = 0
        self._left = ALL_FIELDS
        self._header = bytearray()
        self._value = bytearray()
        self._name = ""
        self._in_file = False
        self._named = False
        self.unnamed = False
        self._field = bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self.part_begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self.header_end,
            "on_headers_finished": self.headers_finished,
            "on_part_data": self.part_data,
            "on_part_end": self.part_end,
            "on_end": self.end,
        }

    def part_begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise BadRequest(f"The form has more than {MOST_PARTS} parts.")
        self._name, self._in_file, self._field = "", False, bytearray()

    def header_end(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
            self._named = b"filename" in options
            self._in_file = self._name == "file" or self._named
        self._header.clear()
        self._value.clear()

    def headers_finished(self) -> None:
        if not self._name:
            raise BadRequest("A part of the form has no name.")
        if not self._in_file:
            return
        if self._name != "file":
            raise BadRequest(f"The form has a file in {self._name!r}; send the audio as file.", param=self._name[:64])
        self.upload.files += 1
        self.unnamed = not self._named
        if self.upload.files > 1:
            raise BadRequest("The form has two files; send one audio file a request.", param="file")

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if not self._in_file:
            self._grow(data[start:end])
            return
        self.upload.add(memoryview(data)[start:end])
        if self.upload.size > self.limit:
            raise TooLarge(f"The file is larger than {self.limit} bytes, the most that this server takes.")

    def _grow(self, data: bytes) -> None:
        self._field += data
        self._left -= len(data)
        if len(self._field) > LONGEST_FIELD or self._left < 0:
            raise BadRequest(f"{self._name} is too long.", param=self._name[:64])

    def part_end(self) -> None:
        if self._in_file:
            return
        try:
            self.upload.fields.append((self._name, self._field.decode()))
        except UnicodeDecodeError as exc:
            raise BadRequest(f"{self._name} is not UTF-8 text.", param=self._name[:64]) from exc

    def end(self) -> None:
        self.ended = True


async def receive(request: Request, path: Path, *, limit: int, turns: Turns) -> Upload:
    """Reads the whole form, the file into `path`, which stays empty where a `url` came instead. Raises BadRequest,
    BadAudio (no file, empty file), TooLarge and DiskFull (as soon as it is known, without reading on), and Starlette's
    ClientDisconnect."""
    upload = Upload(path)
    parts = _Parts(upload, limit)
    parser = _parser(request, parts)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit + ALL_FIELDS:
        raise TooLarge(f"The request is larger than {limit} bytes, the most that this server takes.")
    if declared.isdecimal() and int(declared) > _room(path):
        raise DiskFull(NO_ROOM, retry_after=60)
    try:
        with _private(path) as file:
            async for chunk in request.stream():
                parser.write(chunk)
                if upload.waiting > BLOCK:
                    await asyncio.to_thread(upload.work_off, file)
            await turns.mine()
            upload.write(file)
    except MultipartParseError as exc:
        raise BadRequest("The body is not well-formed multipart/form-data.") from exc
    except OSError as exc:
        if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(NO_ROOM, retry_after=60) from exc
    _complete(parts)
    return upload


def _room(path: Path) -> int:
    """Bytes that the disk still takes."""
    return shutil.disk_usage(path.parent).free


def _private(path: Path) -> BinaryIO:
    """A file that only this user may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb")


def _parser(request: Request, parts: _Parts) -> MultipartParser:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise BadRequest("Send the audio as multipart/form-data with the fields file and model.", param="file")
    if not options.get(b"boundary"):
        raise BadRequest(
            "The header Content-Type names no boundary: leave it to the client, as to curl's -F.", param="file"
        )
    try:
        return MultipartParser(options[b"boundary"], parts.callbacks())  # type: ignore[arg-type]
    except ValueError as exc:
        raise BadRequest("The form's boundary cannot be used.") from exc


def _complete(parts: _Parts) -> None:
    if not parts.ended:
        raise BadRequest("The form ends before its last boundary: it is not whole.")
    url = any(name == "url" and value.strip() for name, value in parts.upload.fields)
    if url and parts.upload.files:
        raise BadRequest("The form has a file and a url; send one of them.", param="url")
    if url:
        return
    if not parts.upload.files:
        raise BadAudio("The form has no file; send the audio as file.", code="missing_required_parameter")
    if not parts.upload.size:
        raise BadAudio("The file is empty.")
    if parts.unnamed and parts.upload.size <= LONGEST_PATH and parts.upload.path.read_bytes().isascii():
        raise BadAudio("file is a line of text in place of a file: with curl, write -F file=@speech.wav.")
