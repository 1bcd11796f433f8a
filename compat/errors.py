"""The exception tree: every error of the public API, with its HTTP status and code.

    CompatError                      500 server_error
    ├── BadRequest                   400 invalid_request_error
    │   ├── BadAudio                 400 invalid_request_error  (param: file)
    │   └── ContentRefused           400 content_policy_violation
    ├── NotAuthenticated             401 invalid_api_key
    ├── Forbidden                    403 permission_denied
    ├── NotFound                     404 not_found
    │   └── ModelNotFound            404 model_not_found        (param: model)
    ├── MethodNotAllowed             405 method_not_allowed
    ├── TooSlow                      408 request_timeout        the client sent its request too slowly
    ├── Conflict                     409 conflict
    ├── Gone                         410 job_expired
    ├── TooLarge                     413 request_too_large      (param: file)
    ├── EncodedBody                  415 unsupported_content_encoding
    ├── HeadTooLarge                 431 request_header_fields_too_large
    ├── RateLimited                  429 rate_limit_exceeded
    │   └── BudgetSpent              429 rate_limit_exceeded    this server's own queue is too long
    ├── QuotaExceeded                429 insufficient_quota     never retried
    ├── UnknownMethod                501 method_not_implemented
    ├── ServiceFailed                502 upstream_error         DashScope failed or sent an invalid response
    │   ├── AnswerCutOff             502 upstream_error         the connection broke during a streamed response
    │   ├── TaskLost                 502 upstream_error         DashScope no longer knows a task that it accepted
    │   ├── EngineMisconfigured      502 upstream_error         never retried: COMPAT_ENGINE_… are wrong
    │   └── FileNotFetched           502 upstream_error         never retried: the file has to go by another road
    ├── ServiceUnavailable           503 service_unavailable    DashScope is unreachable or overloaded
    │   ├── ClosedNormally           503 service_unavailable    DashScope ended a live session
    │   ├── CircuitOpen              503 service_unavailable    the circuit breaker is open; no request was sent
    │   └── Overloaded               503 overloaded             this server is overloaded
    ├── ServiceTimedOut              504 upstream_timeout
    └── DiskFull                     507 insufficient_storage

OpenAI's SDKs choose their exception class by the HTTP status and read `message`, `type`, `param` and `code` from the
body. `x-should-retry` overrides their own rule for 408, 409, 429 and 5xx (openai-python `_base_client.py`, 2026-11).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import msgspec

INTERNAL_ERROR: Final = "Internal server error: the server's log has the reason."
"""The message for a failure of this server itself."""


class CompatError(Exception):
    """Base class of all errors; carries what OpenAI's error object needs.

    `param` names the request field at fault. `retry_after` is in seconds. `retryable` tells whether the same request
    may succeed if it is sent again: by this server to DashScope, or by the client to this server.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = "internal_error"
    default_param: ClassVar[str | None] = None
    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param or self.default_param
        self.code = code or self.default_code
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """Return OpenAI's error object: {"error": {"message", "type", "param", "code"}}."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """Return the response headers: `retry-after` (whole seconds) and `x-should-retry` for the SDKs, and those that
        RFC 9110 requires for the status."""
        headers = {}
        if self.status in (408, 409, 429) or self.status >= 500:
            headers["x-should-retry"] = "true" if self.retryable else "false"
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        if self.status == 415:
            headers["accept-encoding"] = "identity"
        if self.status == 413:
            headers["connection"] = "close"  # the rest of the body is not read
        if self.retry_after is not None:
            headers["retry-after"] = str(max(1, round(self.retry_after + 0.499)))
        return headers


class BadRequest(CompatError):
    status = 400
    type = "invalid_request_error"
    default_code = "invalid_value"


class BadAudio(BadRequest):
    default_code = "invalid_audio"
    default_param = "file"


class ContentRefused(BadRequest):
    default_code = "content_policy_violation"


class NotAuthenticated(CompatError):
    status = 401
    type = "invalid_request_error"
    default_code = "invalid_api_key"


class Forbidden(CompatError):
    status = 403
    type = "invalid_request_error"
    default_code = "permission_denied"


class NotFound(CompatError):
    status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class ModelNotFound(NotFound):
    default_code = "model_not_found"
    default_param = "model"


class MethodNotAllowed(CompatError):
    status = 405
    type = "invalid_request_error"
    default_code = "method_not_allowed"


class TooSlow(CompatError):
    status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"
    retryable = True


class Conflict(CompatError):
    status = 409
    type = "invalid_request_error"
    default_code = "conflict"


class Gone(CompatError):
    status = 410
    type = "invalid_request_error"
    default_code = "job_expired"


class TooLarge(CompatError):
    status = 413
    type = "invalid_request_error"
    default_code = "request_too_large"
    default_param = "file"


class EncodedBody(CompatError):
    """The request body is compressed."""

    status = 415
    type = "invalid_request_error"
    default_code = "unsupported_content_encoding"


class HeadTooLarge(CompatError):
    status = 431
    type = "invalid_request_error"
    default_code = "request_header_fields_too_large"


class RateLimited(CompatError):
    status = 429
    type = "requests"
    default_code = "rate_limit_exceeded"
    retryable = True


class BudgetSpent(RateLimited):
    """The request would wait too long for the account's rate limit, which this server enforces itself."""


class QuotaExceeded(CompatError):
    status = 429
    type = "insufficient_quota"
    default_code = "insufficient_quota"


class UnknownMethod(CompatError):
    """The request method is not an HTTP method (RFC 9110, 9.1)."""

    status = 501
    type = "invalid_request_error"
    default_code = "method_not_implemented"


class ServiceFailed(CompatError):
    status = 502
    default_code = "upstream_error"
    retryable = True


class AnswerCutOff(ServiceFailed):
    """The connection was lost after DashScope began to stream its response."""


class TaskLost(ServiceFailed):
    """DashScope no longer knows a task that it accepted."""


class EngineMisconfigured(ServiceFailed):
    """The engine that replaces DashScope refuses requests; the message names the setting to look at."""

    retryable = False


class FileNotFetched(ServiceFailed):
    """DashScope could not download the audio from its URL."""

    retryable = False


class ServiceUnavailable(CompatError):
    status = 503
    default_code = "service_unavailable"
    retryable = True


class ClosedNormally(ServiceUnavailable):
    """DashScope closed the connection of a live session with code 1000."""


class CircuitOpen(ServiceUnavailable):
    """The circuit breaker is open after repeated failures; no request was sent."""


class Overloaded(ServiceUnavailable):
    """This server is overloaded. Not counted as an upstream failure."""

    default_code = "overloaded"


class ServiceTimedOut(CompatError):
    status = 504
    default_code = "upstream_timeout"
    retryable = True


class DiskFull(CompatError):
    status = 507
    default_code = "insufficient_storage"


NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of an OSError that means DiskFull: the disk, a quota, or the limit of a file's size (`ulimit -f`)."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A serializable CompatError, to pass between processes or keep in a store. `kind` is the name of its class."""

    kind: str
    message: str
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None


def failure(exc: CompatError) -> Failure:
    """Return `exc` in serializable form."""
    return Failure(
        kind=type(exc).__name__, message=exc.message, param=exc.param, code=exc.code, retry_after=exc.retry_after
    )


def error(failed: Failure, unknown: type[CompatError] = CompatError) -> CompatError:
    """Return the exception that `failed` describes; an `unknown` if no class has that name."""
    kind = next((kind for kind in _kinds(CompatError) if kind.__name__ == failed.kind), unknown)
    return kind(failed.message, param=failed.param, code=failed.code, retry_after=failed.retry_after)


def _kinds(base: type[CompatError]) -> Iterator[type[CompatError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)
