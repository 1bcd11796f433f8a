"""How DashScope says no, in its three spellings: native JSON, OpenAI-compatible JSON, the object store's XML.

Error codes page of Model Studio, 2026-10. One refusal knows both code spellings; the surface chooses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

import msgspec
from starlette.responses import Response


class Refusal(Exception):
    """`code` is the native spelling, `compat` the OpenAI-compatible one (the same when not given)."""

    def __init__(
        self, status: int, code: str, message: str, *, compat: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.compat = compat or code
        self.message = message
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"retry-after": f"{self.retry_after:g}"}


def invalid(message: str, *, code: str = "InvalidParameter") -> Refusal:
    return Refusal(400, code, message, compat="invalid_parameter_error")


def algorithm(message: str) -> Refusal:
    """What the recogniser behind the gateway refuses; both surfaces quote its code within the message."""
    return invalid(f"<400> InternalError.Algo.InvalidParameter: {message}")


def illegal() -> Refusal:
    return algorithm("The audio format is illegal and cannot be opened")


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")


def native_body(refusal: Refusal, request_id: str) -> dict[str, Any]:
    return {"code": refusal.code, "message": refusal.message, "request_id": request_id}


def compat_body(refusal: Refusal, request_id: str) -> dict[str, Any]:
    kind = "invalid_request_error" if refusal.status < 429 else refusal.compat
    error = {"message": refusal.message, "type": kind, "param": None, "code": refusal.compat}
    return {"error": error, "id": f"chatcmpl-{request_id}", "request_id": request_id}


def native(refusal: Refusal, request_id: str) -> Response:
    return json_response(native_body(refusal, request_id), refusal.status, refusal.headers)


def compat(refusal: Refusal, request_id: str) -> Response:
    return json_response(compat_body(refusal, request_id), refusal.status, refusal.headers)


def store(refusal: Refusal, request_id: str) -> Response:
    """The object store's own: `<Error><Code>…</Code><Message>…</Message>…</Error>`."""
    fields = {"Code": refusal.code, "Message": refusal.message, "RequestId": request_id}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    return Response(body, refusal.status, refusal.headers, media_type="application/xml")


Shape = Callable[[Refusal, str], Response]
