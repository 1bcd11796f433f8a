"""An answer to a request that never became one, in the shape of all others."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from compat.errors import CompatError
from compat.observability.entry import RequestEntry

log = logging.getLogger("compat.access")
LINGER: Final = 1.0  # seconds for it to be read: closing at once on bytes that still come would reset it away


Told = Callable[[CompatError], object]


def told(app_state: Mapping[str, Any]) -> Told:
    """Who is to hear of refusals: what the app's lifespan gives as `refused`."""
    who: Told = app_state.get("refused", lambda _: None)
    return who


def fields(error: CompatError, told: Told, entry: RequestEntry | None = None) -> tuple[dict[str, str], bytes]:
    """Headers and body; the log has a line with the id: `entry`, where the request has one already."""
    if entry is None:
        told(error)
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


def answer(error: CompatError, told: Told, entry: RequestEntry | None = None) -> bytes:
    headers, body = fields(error, told, entry)
    lines = [f"{name}: {value}\r\n".encode() for name, value in headers.items()]
    return b"".join([STATUS_LINE[error.status], *lines, b"\r\n", body])
