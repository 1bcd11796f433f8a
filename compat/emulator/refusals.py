"""Error responses in three formats: native JSON, OpenAI-compatible JSON, and the XML of the object store.

Error codes page of Model Studio, 2026-10. A refusal has the codes of both JSON formats; the surface chooses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

import msgspec
from starlette.responses import Response

from compat.emulator.engine import EngineTrouble


class Refusal(Exception):
    """`code` is the native spelling, `compat` the OpenAI-compatible one (the same when not given, null when empty);
    `compat_message` likewise."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        compat: str | None = None,
        compat_message: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.compat = code if compat is None else compat
        self.message = message
        self.compat_message = compat_message or message
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"retry-after": f"{self.retry_after:g}"}


# Codes whose type is invalid_request_error in published responses (2025 and 2026). Others, such as Arrearage,
# data_inspection_failed, AllocationQuota.FreeTierOnly and those of 429, are also the type.
BAD_REQUESTS = {"", "invalid_parameter_error", "invalid_api_key", "model_not_found", "model_not_supported", "not_found"}

ILLEGAL = "The audio format is illegal and cannot be opened"


def invalid(message: str, *, code: str = "InvalidParameter") -> Refusal:
    return Refusal(400, code, message, compat="invalid_parameter_error")


def algorithm(message: str) -> Refusal:
    """Return an error of the recogniser behind the gateway; both surfaces quote its code in the message."""
    return invalid(f"<400> InternalError.Algo.InvalidParameter: {message}")


def illegal() -> Refusal:
    return algorithm(ILLEGAL)


def not_supported(method: str) -> Refusal:
    return invalid(f"Request method '{method}' is not supported.")


def empty(parameter: str) -> Refusal:
    """Return the refusal of a request without `model` or `input` (error codes page)."""
    what = "Required input parameter" if parameter == "input" else f'Required parameter "{parameter}"'
    return invalid(f"{what} missing from request.", code=f"BadRequest.Empty{parameter.capitalize()}")


def full() -> Refusal:
    """Return the refusal at the emulator's own limit on files; the service documents none."""
    message = "The emulator's folder is full (the limit disk_bytes)."
    return Refusal(503, "ServiceUnavailable", message, compat="service_unavailable", retry_after=60)


def crowded() -> Refusal:
    """Return the refusal at the emulator's own limit on request bodies in memory."""
    message = "The emulator holds too many request bodies at once (the limit bodies_bytes)."
    return Refusal(503, "ServiceUnavailable", message, compat="service_unavailable", retry_after=1)


def stopping() -> Refusal:
    """Return the emulator's own refusal of a request that a fault holds while it shuts down."""
    return Refusal(503, "ServiceUnavailable", "The emulator is stopping.", compat="service_unavailable")


def failed() -> Refusal:
    """Return an internal error of the service (error codes page)."""
    message = "An internal error has occured."
    return Refusal(500, "InternalError", message, compat="internal_error")


def engine(trouble: EngineTrouble) -> Refusal:
    """Return the refusal if an engine on another machine gave no result. The codes are the emulator's own."""
    status = {"Unavailable": 503, "Timeout": 504, "Busy": 429}.get(trouble.kind, 502)
    return Refusal(status, trouble.code, trouble.message)


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")


def native_body(refusal: Refusal, request_id: str) -> dict[str, Any]:
    return {"code": refusal.code, "message": refusal.message, "request_id": request_id}


def compat_body(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """Return the body. Most codes are also the type. A 401 comes from the gateway and has no `id`."""
    kind = "invalid_request_error" if refusal.compat in BAD_REQUESTS else refusal.compat
    error = {"message": refusal.compat_message, "type": kind, "param": None, "code": refusal.compat or None}
    identified = {} if refusal.status == 401 else {"id": f"chatcmpl-{request_id}"}
    return {"error": error} | identified | {"request_id": request_id}


def native(refusal: Refusal, request_id: str) -> Response:
    return json_response(native_body(refusal, request_id), refusal.status, refusal.headers)


def compat(refusal: Refusal, request_id: str) -> Response:
    return json_response(compat_body(refusal, request_id), refusal.status, refusal.headers)


def store(refusal: Refusal, request_id: str) -> Response:
    """Return the object store's response: `<Error><Code>…</Code><Message>…</Message>…</Error>`."""
    fields = {"Code": refusal.code, "Message": refusal.message, "RequestId": request_id}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    return Response(body, refusal.status, refusal.headers, media_type="application/xml")


Shape = Callable[[Refusal, str], Response]
