"""Temporary uploads: the policy request and the form POST of the object store.

Model Studio's "Upload local files to obtain a temporary URL" (2026-10) and Alibaba OSS's PostObject. Form fields come
before `file`; fields after it are ignored. Objects are written to disk as they arrive.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import math
import uuid
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape

import msgspec
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.responses import Response

from compat.emulator import refusals
from compat.emulator.faults import Expire
from compat.emulator.folder import Full
from compat.emulator.refusals import Refusal
from compat.emulator.state import Emulator, Policy, StoredObject
from compat.emulator.surface import ApiCall

PATH = "/emulator/store"
ACCESS_KEY_ID = "LTAI-emulator"
MAX_FIELD = 64 * 1024
MEBIBYTE = 1024 * 1024


class _Document(msgspec.Struct, frozen=True):
    """The policy document, base64 on the wire: its expiry and conditions."""

    expiration: float
    conditions: list[list[str | int]]


async def policy(call: ApiCall) -> Response:
    """Return an upload policy. Any model name is accepted; a mismatch is an error when the object is read."""
    emulator, query = call.emulator, call.request.query_params
    if query.get("action") != "getPolicy":
        raise refusals.invalid("action is invalid")
    if not query.get("model"):
        raise refusals.invalid("model is required")
    if not emulator.readings.policies:
        raise Refusal(404, "NotFound", "Not found!")
    directory = _directory(emulator, call.account)
    expired = isinstance(call.fault, Expire)
    limits = emulator.limits
    emulator.policies[directory] = Policy(
        model=query["model"], account=call.account, expires=emulator.clock() + limits.policy_seconds
    )
    document = _Document(
        expiration=emulator.clock() + (-1 if expired else limits.policy_seconds),
        conditions=[["content-length-range", 0, limits.upload_mb * MEBIBYTE], ["starts-with", "$key", directory]],
    )
    encoded = base64.b64encode(msgspec.json.encode(document)).decode()
    data = {
        "policy": encoded,
        "signature": _signature(emulator, encoded),
        "upload_dir": directory,
        "upload_host": call.base_url + PATH,
        "expire_in_seconds": math.ceil(limits.policy_seconds),
        "max_file_size_mb": limits.upload_mb,
        "capacity_limit_mb": limits.upload_mb * 10,
        "oss_access_key_id": ACCESS_KEY_ID,
        "x_oss_object_acl": "private",
        "x_oss_forbid_overwrite": "true",
    }
    return refusals.json_response({"request_id": call.id, "data": data})


def _directory(emulator: Emulator, account: str) -> str:
    today = datetime.datetime.fromtimestamp(emulator.clock(), datetime.UTC).date().isoformat()
    return f"dashscope-instant/{hashlib.sha256(account.encode()).hexdigest()[:32]}/{today}/{uuid.uuid4()}"


def _signature(emulator: Emulator, encoded: str) -> str:
    return base64.b64encode(hmac.digest(emulator.secret, encoded.encode(), "sha1")).decode()


async def store(call: ApiCall) -> Response:
    """Return 204 without a body, or the status in `success_action_status`. Read a refused body to its end: a client
    that is still sending may not read the response."""
    _, options = parse_options_header(call.request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if not boundary:
        raise Refusal(400, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart.")
    form = _Form(call.emulator, boundary)
    try:
        async for chunk in call.request.stream():
            form.feed(chunk)
        form.finish()
        return form.response(call.base_url)
    finally:
        form.close()


class _Form:
    """Parses the form as it arrives: fields to memory, the file to disk."""

    def __init__(self, emulator: Emulator, boundary: bytes) -> None:
        self._emulator = emulator
        self._fields: dict[str, str] = {}
        self._header_name = b""
        self._header_value = b""
        self._headers: dict[bytes, bytes] = {}
        self._field = bytearray()
        self._name = ""
        self._upload: _Upload | None = None
        self._refusal: Refusal | None = None
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        if self._refusal is not None:
            return
        try:
            self._parser.write(chunk)
        except MultipartParseError:
            self._refusal = Refusal(400, "MalformedPOSTRequest", "The body of your POST request is not well-formed.")
        except Refusal as refusal:
            self._refusal = refusal

    def finish(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        if self._upload is None or not self._upload.complete:
            raise Refusal(400, "IncorrectNumberOfFilesInPOSTRequest", "POST requires exactly one file upload.")
        self._emulator.objects[self._upload.key] = self._upload.stored

    def response(self, base_url: str) -> Response:
        """Return the response of PostObject: 200 without a body, 201 with XML, 204 for all other values."""
        match self._fields.get("success_action_status"):
            case "200":
                return Response(status_code=200)
            case "201":
                key = escape(self._upload.key if self._upload is not None else "")
                location = f"<Bucket>emulator</Bucket><Location>{escape(base_url)}{PATH}/{key}</Location>"
                body = (
                    f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{location}<Key>{key}</Key></PostResponse>'
                )
                return Response(body, 201, media_type="application/xml")
            case _:
                return Response(status_code=204)

    def close(self) -> None:
        if self._upload is not None:
            self._upload.close(keep=self._refusal is None and self._upload.complete)

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._headers = {}
        self._field.clear()
        self._name = options.get(b"name", b"").decode(errors="replace")
        if self._name == "file" and self._upload is None:
            self._upload = _Upload(self._emulator, self._fields)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._upload is None:
            self._field += data[start:end]
            if len(self._field) > MAX_FIELD:
                raise Refusal(400, "FieldItemTooLong", "A form field is too long.")
        elif not self._upload.complete:
            self._upload.write(data[start:end])

    def _on_part_end(self) -> None:
        if self._upload is None:
            self._fields[self._name] = self._field.decode(errors="replace")
        else:
            self._upload.complete = True


class _Upload:
    """An object being written to disk. The constructor checks the policy and raises Refusal."""

    def __init__(self, emulator: Emulator, fields: dict[str, str]) -> None:
        document = _allowed(emulator, fields)
        self.key = fields.get("key", "")
        self.complete = False
        self._left = next(int(most) for kind, _, most in document.conditions if kind == "content-length-range")
        policy = emulator.policies[_granted(self.key, document)]
        if self.key in emulator.objects and fields.get("x-oss-forbid-overwrite") == "true":
            raise Refusal(
                409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten."
            )
        self.stored = StoredObject(
            path=emulator.folder.new(),
            model=policy.model,
            account=policy.account,
            expires=emulator.clock() + emulator.limits.object_seconds,
        )
        self._folder = emulator.folder
        self._file: BinaryIO = Path.open(self.stored.path, "wb")

    def write(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise Refusal(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
        try:
            self._folder.take(len(data))
        except Full as exc:
            raise refusals.full() from exc
        self._file.write(data)

    def close(self, *, keep: bool) -> None:
        self._file.close()
        if not keep:
            self.stored.path.unlink(missing_ok=True)


def _allowed(emulator: Emulator, fields: dict[str, str]) -> _Document:
    encoded = fields.get("policy", "")
    if not encoded or fields.get("OSSAccessKeyId") != ACCESS_KEY_ID:
        raise Refusal(403, "AccessDenied", "You have no right to access this object because of bucket acl.")
    if not hmac.compare_digest(_signature(emulator, encoded), fields.get("Signature", "")):
        message = "The request signature we calculated does not match the signature you provided."
        raise Refusal(403, "SignatureDoesNotMatch", message)
    document = msgspec.json.decode(base64.b64decode(encoded), type=_Document)
    if document.expiration <= emulator.clock():
        raise Refusal(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
    return document


def _granted(key: str, document: _Document) -> str:
    """Return the directory that the policy grants. Raises Refusal if `key` lies outside."""
    directory = next(str(prefix) for kind, _, prefix in document.conditions if kind == "starts-with")
    if not key.startswith(directory + "/"):
        message = 'Invalid according to Policy: Policy Condition failed: ["starts-with", "$key", …]'
        raise Refusal(403, "AccessDenied", message)
    return directory
