"""Error responses to requests that do not reach the application, in the same shape as the application's own."""

from __future__ import annotations

import json
import logging
import re
import sys
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from httptools import HttpParserInvalidMethodError
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from compat.errors import BadRequest, CompatError, HeadTooLarge, UnknownMethod
from compat.observability.entry import RequestEntry

log = logging.getLogger("compat.access")
LINGER: Final = 1.0  # seconds for the client to read it: closing at once while data arrives would reset the connection
_REQUEST: Final = re.compile(rb"[A-Za-z-]+ \S+ HTTP/1\.[01]\r?\n")

OnRefusal = Callable[[CompatError], object]


def on_refusal(app_state: Mapping[str, Any]) -> OnRefusal:
    """Return the callback for refusals that the app's lifespan sets as `refused`."""
    callback: OnRefusal = app_state.get("refused", lambda _: None)
    return callback


def fields(
    error: CompatError, on_refusal: OnRefusal, entry: RequestEntry | None = None
) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of an error response, and record the refusal in the access log.

    The log entry is `entry` if the request already has one, and a new entry otherwise. The response has its request id.
    """
    if entry is None:
        on_refusal(error)
        request_id = f"req_{uuid.uuid4().hex}"
        logged = {"request_id": request_id, "status": error.status, "error": error.code}
        log.info("refused", extra={"fields": logged})
    else:
        request_id = str(entry.request_id)
        entry.status, entry.error = error.status, error.code
    body = json.dumps(error.body()).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        "x-request-id": request_id,
    }
    return headers | error.headers(), body


def answer(error: CompatError, on_refusal: OnRefusal, entry: RequestEntry | None = None) -> bytes:
    """Return a complete HTTP response with the error."""
    headers, body = fields(error, on_refusal, entry)
    lines = [f"{name}: {value}\r\n".encode() for name, value in headers.items()]
    return b"".join([STATUS_LINE[error.status], *lines, b"\r\n", body])


def head_too_large(headers: int, size: int) -> HeadTooLarge:
    return HeadTooLarge(f"The request head has more than {headers} headers or {size} bytes.")


def malformed(head: memoryview) -> CompatError:
    """Return the error for a head that the parser has just refused."""
    if isinstance(sys.exception(), HttpParserInvalidMethodError) and _REQUEST.match(head):
        return UnknownMethod("Unknown request method: use GET, POST or DELETE.")
    return BadRequest("This is not a well-formed HTTP/1.1 request.", code="invalid_http")
