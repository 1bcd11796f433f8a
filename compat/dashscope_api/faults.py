"""Translation of DashScope errors to CompatError: one table of codes for HTTP responses, stream frames and tasks.

Native surfaces return {"code", "message", "request_id"}. Compatible surfaces return {"error": {"message", "type",
"param", "code"}} with `id` or `request_id` next to `error`. Tasks report `code` and `message` in `output` with HTTP
200. The codes come from Model Studio's error-code page (2026-10) and from measured tasks. A code may have two spellings
(`InvalidApiKey`, `invalid_api_key`). `retry-after` is undocumented, but the official package (dashscope 2.0.2) honours
it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from compat.catalogue.options import OPTIONS
from compat.dashscope_api.calls import Reply
from compat.errors import (
    BadAudio,
    BadRequest,
    CompatError,
    Conflict,
    ContentRefused,
    EngineMisconfigured,
    FileNotFetched,
    Forbidden,
    ModelNotFound,
    NotAuthenticated,
    NotFound,
    QuotaExceeded,
    RateLimited,
    ServiceFailed,
    ServiceTimedOut,
    ServiceUnavailable,
    TooLarge,
)


def _spelling(code: str) -> str:
    return code.replace("_", "").replace("-", "").lower()


_CODES: dict[str, type[CompatError]] = {
    _spelling(code): error
    for error, codes in (
        (BadRequest, "InvalidParameter invalid_parameter_error InternalError.Algo.InvalidParameter BadRequest"),
        (BadAudio, "InvalidFile BadRequest.EmptyInput BadRequest.UnsupportedFileFormat"),
        (BadAudio, "FILE_CHECK_FAILED FILE_NORMALIZE_FAILED FILE_PARSE_FAILED MKV_PARSE_FAILED DECODE_ERROR"),
        (BadAudio, "UNSUPPORTED_FORMAT AUDIO_DURATION_TOO_LONG NO_INPUT_AUDIO_ERROR NO_VALID_AUDIO_ERROR"),
        (TooLarge, "BadRequest.TooLarge FILE_TOO_LARGE"),
        (FileNotFetched, "InvalidFile.DownloadFailed InvalidURL BadRequest.InputDownloadFailed FILE_DOWNLOAD_FAILED"),
        (FileNotFetched, "FILE_403_FORBIDDEN FILE_404_NOT_FOUND FILE_SERVER_ERROR REQUEST_INVALID_FILE_URL_VALUE"),
        (FileNotFetched, "CONTENT_LENGTH_CHECK_FAILED InvalidParameter.MalformedURL"),
        (ContentRefused, "DataInspectionFailed"),
        (NotAuthenticated, "InvalidApiKey"),
        (Forbidden, "AccessDenied Model.AccessDenied Workspace.AccessDenied Endpoint.AccessDenied"),
        (ModelNotFound, "ModelNotFound model_not_supported"),
        (NotFound, "NotFound WorkSpaceNotFound BadRequest.ResourceNotExist"),
        (Conflict, "Conflict"),
        (RateLimited, "Throttling LimitRequests limit_burst_rate"),
        (QuotaExceeded, "Throttling.AllocationQuota insufficient_quota AllocationQuota Arrearage"),
        (QuotaExceeded, "CommodityNotPurchased PrepaidBillOverdue PostpaidBillOverdue"),
        (ServiceFailed, "InternalError SystemError ModelServiceFailed ClientDisconnect"),
        (ServiceFailed, "FILE_TRANS_TASK_EXPIRED SERVER_ERROR"),
        (ServiceTimedOut, "InternalError.Timeout RequestTimeOut ResponseTimeout"),
        (ServiceUnavailable, "ServiceUnavailable ModelUnavailable"),
        # The emulator's own, for an engine on another machine.
        (EngineMisconfigured, "Engine.Misconfigured"),
        (ServiceUnavailable, "Engine.Unavailable"),
        (ServiceTimedOut, "Engine.Timeout"),
        (RateLimited, "Engine.Busy"),
        (ServiceFailed, "Engine.Failed"),
    )
    for code in codes.split()
}
_NO_SPEECH = {_spelling("SUCCESS_WITH_NO_VALID_FRAGMENT"), _spelling("ASR_RESPONSE_HAVE_NO_WORDS")}

_STATUSES: dict[int, type[CompatError]] = {
    401: NotAuthenticated,
    403: Forbidden,
    404: NotFound,
    408: ServiceTimedOut,
    409: Conflict,
    413: TooLarge,
    415: BadAudio,
    429: RateLimited,
    503: ServiceUnavailable,
    504: ServiceTimedOut,
}

_MESSAGES: tuple[tuple[str, type[CompatError]], ...] = (
    ("audio is empty", BadAudio),
    ("audio is too long", BadAudio),
    ("audio format is illegal", BadAudio),
    ("file size is too large", TooLarge),
    ("max bytes per data-uri", TooLarge),
    ("download multimodal content", FileNotFetched),
    ("content-length of multimodal url", FileNotFetched),
    ("model not exist", ModelNotFound),
)
"""Substrings of messages that tell apart the many causes of `InvalidParameter`."""

_REFUSED_MODEL = re.compile(r"(model\.|endpoint\.)?accessdenied")
_FIELDS = {name: name for name in OPTIONS} | {"language": "language", "corpus": "prompt", "context": "prompt"}
_FIELD = re.compile(rf"(?<![A-Za-z_])(?:{'|'.join(_FIELDS)})(?![A-Za-z_])", re.IGNORECASE)
_ADDRESS = re.compile(r"\b(?:https?|wss?|oss|file|data):[^\s\"'<>]+", re.IGNORECASE)
_DETAILS = re.compile(r"\s*For details, see:? \[address\]\.?", re.IGNORECASE)
_KEY = re.compile(r"\bsk-[\w*.-]+")
_INNER_CODE = re.compile(r"^\s*(?:<\d{3}>)?\s*([A-Z]\w*(?:\.\w+)+):\s*")
_ENGINE = "Engine."  # prefix of the codes of an engine on another machine
_LATER = 30.0  # seconds after which such an engine may answer again; it has been asked again for two by then
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_LONGEST_MESSAGE = 300


class ErrorObject(msgspec.Struct, frozen=True):
    """`error` of the compatible surfaces."""

    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Members common to all responses, errors included. Native surfaces report errors at the top level, compatible
    surfaces in `error`."""

    id: str | None = None
    request_id: str | None = None
    code: str | int | None = None
    message: str | None = None
    msg: str | None = None
    error: ErrorObject | None = None


AnswerT = TypeVar("AnswerT", bound=Answer)
T = TypeVar("T")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Exceptions raised by decoding: invalid JSON, another shape, or nesting that is too deep."""


def no_speech(code: str | int | None) -> bool:
    """Whether the code means that the audio has no speech. The result is then an empty transcript, not an error."""
    return _spelling(str(code)) in _NO_SPEECH


def fault(status: int, body: bytes, headers: Mapping[str, str]) -> CompatError | None:
    """Return the error in an HTTP response, or None if there is none.

    "No speech", which the service reports with status 400, is not an error. Names in `headers` are in lower case.
    """
    if 200 <= status < 300:
        return None
    try:
        answer = msgspec.json.decode(body, type=Answer)
    except UNREADABLE:
        answer = Answer()
    if no_speech(answer.code):
        return None
    code, message = _code_and_message(answer)
    request_id = answer.request_id or headers.get("x-request-id") or answer.id
    return _error(
        code, message, request_id, _STATUSES.get(status, _by_class(status)), f"HTTP {status}", _retry_after(headers)
    )


def task_fault(code: str | int | None, message: str | None, request_id: str | None) -> CompatError:
    """Return the error reported by a task, a subtask or a stream frame, which have no HTTP status of their own."""
    return _error(str(code or ""), message or "", request_id, ServiceFailed, "no code")


def decode(shape: type[T], body: bytes | str) -> T:
    """Decode a JSON message. Raises ServiceFailed if it is not JSON or has another shape."""
    try:
        return msgspec.json.decode(body, type=shape)
    except UNREADABLE as error:
        raise ServiceFailed("DashScope's response has an unexpected format.") from error


def read(shape: type[AnswerT], reply: Reply) -> AnswerT:
    """Decode a response. Raises the error in it, if any, also with HTTP 200."""
    return checked(decode(shape, check(reply).body))


def check(reply: Reply) -> Reply:
    """Return the reply unchanged. Raises the error for its HTTP status, if any."""
    error = fault(reply.status, reply.body, reply.headers)
    if error is not None:
        raise error
    return reply


def checked(answer: AnswerT) -> AnswerT:
    """Return the decoded response unchanged. Raises the error in it, if any."""
    if (answer.error is not None or answer.code) and not no_speech(answer.code):
        code, message = _code_and_message(answer)
        raise task_fault(code, message, answer.request_id or answer.id)
    return answer


def _code_and_message(answer: Answer) -> tuple[str, str]:
    if answer.error is not None:
        return str(answer.error.code or answer.error.type or ""), answer.error.message or ""
    return str(answer.code or ""), answer.message or answer.msg or ""


def _by_class(status: int) -> type[CompatError]:
    return BadRequest if 400 <= status < 500 else ServiceFailed


def _error(
    code: str,
    message: str,
    request_id: str | None,
    default: type[CompatError],
    no_code: str,
    retry_after: float | None = None,
) -> CompatError:
    inner = _INNER_CODE.match(message)
    if inner:
        code, message = inner[1], message[inner.end() :]
    kind = _kind(code, message) or default
    param = _param(kind, code, message)
    if code.startswith(_ENGINE):
        return kind(_presentable(message), retry_after=_LATER if kind.retryable else None)
    source = ", ".join([code or no_code, *([f"request {request_id}"] if request_id else [])])
    return kind(f"{_presentable(message)} (DashScope: {source})", param=param, retry_after=retry_after)


def _param(kind: type[CompatError], code: str, message: str) -> str | None:
    """Return the field that a refusal is about, if its message names one, or if its code refuses a model."""
    if kind is Forbidden and _REFUSED_MODEL.match(_spelling(code)):
        return "model"
    named = _FIELD.search(message) if kind is BadRequest else None
    return _FIELDS[named[0].lower()] if named else None


def _kind(code: str, message: str) -> type[CompatError] | None:
    """Return the error class for the longest known prefix of a dotted code.

    For bad parameters and for errors without a code, the message decides. Returns None if nothing matches.
    """
    plain = _spelling(code)
    while plain not in _CODES and "." in plain:
        plain = plain.rpartition(".")[0]
    kind = _CODES.get(plain)
    if kind is BadRequest or (kind is None and not plain):
        return next((error for part, error in _MESSAGES if part in message.lower()), kind)
    return kind


def _presentable(message: str) -> str:
    """Return a message of the service without URLs and keys, cut to 300 characters."""
    shown = _DETAILS.sub("", without_addresses(message)).strip()
    return shown[:_LONGEST_MESSAGE] or "The speech service refused the request."


def without_addresses(message: str) -> str:
    """Return a message of the service without the URLs and keys that it may quote."""
    return _KEY.sub("[key]", _ADDRESS.sub("[address]", message))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the value of `retry-after-ms` or `retry-after` in seconds. HTTP dates are ignored."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if _NUMBER.fullmatch(headers.get(name, "")):
            return float(headers[name]) * unit
    return None
