"""A parser for multipart forms (RFC 7578) with text fields and one audio file.

It accepts what client libraries of 2026 write. They differ in: text before the first boundary, quoted and unquoted
names, `filename*` without `filename`, a file without a file name, text fields with a file name (Python's requests), the
charset of one field (Java) or of all that follow (`_charset_`, RFC 7578 4.6), and `Content-Transfer-Encoding` (Java,
Ruby).
"""

from __future__ import annotations

import binascii
import quopri
import re
import weakref
from collections.abc import Callable
from email.message import Message

import msgspec
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from compat.catalogue.options import OPTIONS
from compat.endpoints import charsets
from compat.errors import BadRequest
from compat.openai_api.parameters import TRANSCRIPTION

MOST_PARTS = 512
MOST_PARAMETERS = 64  # semicolons in a header
LONGEST_FIELD = 4 << 20  # bytes; the largest valid field is a voice sample of 10 s as a data URL
ALL_FIELDS = 24 << 20
PREAMBLE = 64 << 10  # bytes before the first boundary
MALFORMED = "The body is not well-formed multipart/form-data."
UNBOUND = f"{MALFORMED[:-1]}: it does not contain the boundary given in Content-Type."

_FILE = re.compile(r"file(\[\d*\]|%5B\d*%5D)?")
_TEXTS = {row.name for row in TRANSCRIPTION} - {"file"} | {*OPTIONS}
_REASONS = {
    "invalid character (32|9) in header ": "A part header spans several lines: send it in one line.",
    "header count exceeded": "A part of the form has too many headers.",
    "header size exceeded": "A part header is too long.",
}
"""Our messages for the parser's errors, by patterns in its own messages (python-multipart 0.0.34)."""
_WHITE = b" \t\r\n"


class Parts:
    """A push parser. Call `feed` with the chunks of the body, then `end`.

    `fields` keep their order, `files` counts the files, and the bytes of the file go to `take`.
    """

    MISSING = "The form has no file; send the audio as file."

    def __init__(self, boundary: bytes, take: Callable[[memoryview], None]) -> None:
        """Raise BadRequest for an invalid boundary."""
        self.fields: list[tuple[str, str]] = []
        self.files = 0
        self.named = False
        """Whether the file has a file name."""
        self.text = 0
        """Bytes of text fields so far."""
        self._take = take
        self._ended = False
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._header = bytearray()
        self._value = bytearray()
        self._name = ""
        self._in_file = False
        self._blank = False
        self._strange = False
        self._strangers: list[str] = []  # names of files that are not the audio
        self._encoding = ""
        self._charset = "utf-8"
        self._field = bytearray()
        self._delimiter = b"--" + boundary
        self._before: bytes | None = b""
        """The bytes before the first boundary. None once the boundary has been found."""
        try:
            self._parser = MultipartParser(boundary, Parts._callbacks(weakref.proxy(self)))  # type: ignore[arg-type]
        except ValueError as exc:
            raise BadRequest("The boundary in Content-Type is not valid: let the client library choose it.") from exc

    def _callbacks(self) -> dict[str, object]:
        """Return the parser's callbacks.

        `self` is a weak proxy: a reference cycle with the parser would keep the fields in memory until the next
        garbage collection.
        """
        return {
            "on_part_begin": lambda: self._part_begin(),
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": lambda: self._header_end(),
            "on_headers_finished": lambda: self._headers_finished(),
            "on_part_data": lambda data, start, end: self._part_data(data, start, end),
            "on_part_end": lambda: self._part_end(),
            "on_end": lambda: self._end(),
        }

    def feed(self, data: bytes) -> None:
        """Parse a chunk of the body. Raises BadRequest, or what `take` raises."""
        if self._before is not None:
            data = self._opened(self._before + data)
        try:
            self._parser.write(data)
        except MultipartParseError as exc:
            reason = next((reason for found, reason in _REASONS.items() if re.search(found, str(exc))), MALFORMED)
            raise BadRequest(reason) from exc

    def _opened(self, data: bytes) -> bytes:
        """Return the body from the first boundary on, or nothing while the boundary's line is incomplete."""
        start = 0 if data.startswith(self._delimiter) else data.find(b"\n" + self._delimiter) + 1
        end = start + len(self._delimiter)
        if not data.startswith(self._delimiter, start) or len(data) < end + 2:
            if len(data) > PREAMBLE:
                raise BadRequest(UNBOUND)
            self._before = data
            return b""
        if data[end] == 10:
            raise BadRequest("The lines of the form end with LF: multipart/form-data requires CR LF.")
        if data[end] in b" \t":  # allowed by RFC 2046, 5.1.1, but not by the parser
            raise BadRequest("The boundary is followed by spaces: multipart/form-data requires CR LF.")
        self._before = None
        return data[start:]

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise BadRequest(
                f"The form has more than {MOST_PARTS} parts: send a list as one field, a JSON array.",
                param=self._name.partition("[")[0][:64] or None,
            )
        self._name, self._in_file, self._encoding, self._field = "", False, "", bytearray()
        self._headers = {}

    def _header_end(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = with_parameters(disposition)
        self._name = _name(disposition, options.get(b"name"))
        named = b"filename" in options or b"filename*" in disposition.lower()
        self._encoding = self._headers.get(b"content-transfer-encoding", b"").decode("latin-1").strip().lower()
        if not self._name:
            raise BadRequest("A part of the form has no name: send name in its Content-Disposition.")
        self._in_file = bool(_FILE.fullmatch(self._name))
        self._blank = (
            options.get(b"filename") == b""
        )  # browsers send this, without bytes, for a file input that was left empty
        self._strange = named and not self._in_file and self._name.partition("[")[0] not in _TEXTS
        if self._strange and not self._blank:
            self._strangers.append(self._name)
        elif self._in_file and not self._blank:
            self._file_begins(named)

    def _file_begins(self, named: bool) -> None:
        self.files += 1
        self.named = named
        if self.files > 1 or self._headers.get(b"content-type", b"").lower().startswith(b"multipart/"):
            raise BadRequest("The form has two files; send one audio file per request.", param="file")
        if self._encoding == "quoted-printable":
            raise BadRequest("The file is quoted-printable: send its bytes unencoded.", param="file")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._blank and (self._in_file or self._strange):
            self._blank = False
            self._file_begins(named=True) if self._in_file else self._strangers.append(self._name)
        if self._strange:
            self._pass_over(end - start)
        elif not self._in_file:
            self._grow(data[start:end])
        elif self._encoding == "base64":
            self._field += data[start:end].translate(None, _WHITE)
            whole = len(self._field) // 4 * 4
            self._take(memoryview(self._decoded(self._field[:whole])))
            del self._field[:whole]
        else:
            self._take(memoryview(data)[start:end])

    def _grow(self, data: bytes) -> None:
        self._field += data
        self.text += len(data)
        if len(self._field) > LONGEST_FIELD or self.text > ALL_FIELDS:
            raise BadRequest(f"{self._name} is too long.", param=self._name[:64])

    def _pass_over(self, size: int) -> None:
        self.text += size
        if self.text > ALL_FIELDS:
            raise self._misplaced()

    def _misplaced(self) -> BadRequest:
        name = self._strangers[-1]
        return BadRequest(f"The form has a file in {name!r}; send the audio as file.", param=name[:64])

    def _part_end(self) -> None:
        if self._strange:
            if not self._blank:
                self.fields.append((self._name, "a file"))  # listed so that it is reported as an ignored field
        elif self._name == "_charset_":
            self._charset = self._text().strip()
        elif not self._in_file:
            self.fields.append((self._name, self._text()))
        elif self._field:
            raise BadRequest("The file is not well-formed base64.", param="file")

    def _text(self) -> str:
        kind, options = with_parameters(self._headers.get(b"content-type"))
        charset = options.get(b"charset", b"").decode("latin-1") or self._charset
        octets = bytes(self._field)
        if self._encoding == "base64":
            octets = self._decoded(octets)
        elif self._encoding == "quoted-printable":
            octets = quopri.decodestring(octets)
        try:
            text = charsets.decode(octets, charset)
        except ValueError as exc:
            label = "UTF-8" if charset == "utf-8" else repr(charset[:40])
            raise BadRequest(f"{self._name} is not {label} text.", param=self._name[:64]) from exc
        return _string(text) if kind == b"application/json" else text

    def _decoded(self, data: bytes | bytearray) -> bytes:
        try:
            return binascii.a2b_base64(data)
        except binascii.Error as exc:
            raise BadRequest(f"{self._name} is not well-formed base64.", param=self._name[:64]) from exc

    def _end(self) -> None:
        self._ended = True

    def end(self) -> None:
        """Check that the form is complete. Raises BadRequest if it is not, or if its only file has another name."""
        if self._before is not None:
            raise BadRequest(UNBOUND)
        if not self._ended:
            raise BadRequest("The form ends before its last boundary: send the whole body.")
        if self._strangers and not self.files and not any(name == "url" for name, _ in self.fields):
            raise self._misplaced()


def _name(disposition: bytes, name: bytes | None) -> str:
    """Return the field name: plain, quoted, or extended (RFC 2231, `name*=utf-8''file`). Raises BadRequest."""
    if name is not None:
        return name.decode("utf-8", "replace").strip().strip("\"'")
    message = Message()
    message["content-disposition"] = disposition.decode("latin-1")
    value = message.get_param("name", "", "content-disposition")
    if isinstance(value, str):
        return value.strip()
    charset, _, text = value
    try:
        return charsets.decode(text.encode("latin-1"), charset or "us-ascii").strip()
    except ValueError as exc:
        raise BadRequest("The extended name of a part does not match its charset.") from exc


def _string(text: str) -> str:
    """Return the value of a JSON string, or other JSON unchanged."""
    try:
        return msgspec.json.decode(text, type=str)
    except msgspec.MsgspecError:
        return text


def with_parameters(header: bytes | str | None) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the value and the parameters of a Content-Type or Content-Disposition.

    The parsers of python-multipart and of `email` take quadratic time for many semicolons: 4 KB of them block the event
    loop for milliseconds, and a form can have hundreds of such headers. Raises BadRequest for more than
    `MOST_PARAMETERS`.
    """
    octets = header.encode("latin-1") if isinstance(header, str) else header or b""
    if octets.count(b";") > MOST_PARAMETERS:
        raise BadRequest(f"A Content-Type or Content-Disposition header has more than {MOST_PARAMETERS} semicolons.")
    return parse_options_header(octets)
