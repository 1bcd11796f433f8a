"""DashScope's errors, in our words: one table of its codes, for HTTP answers, stream frames and tasks alike.

Native surfaces answer {"code", "message", "request_id"}, the compatible ones {"error": {"message", "type", "param",
"code"}} with `id` or `request_id` beside it, tasks carry `code` and `message` in `output` under HTTP 200. The codes are
those of Model Studio's error-code page (2026-10) and of measured tasks; each has up to two spellings (`InvalidApiKey`,
`invalid_api_key`). No `retry-after` is documented, but the official package (dashscope 2.0.2) honours it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from compat.dashscope_api.calls import Reply
from compat.errors import (
    BadAudio,
    BadRequest,
    CompatError,
    Conflict,
    ContentRefused,
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
        (NotFound, "NotFound WorkSpaceNotFound"),
        (Conflict, "Conflict"),
        (RateLimited, "Throttling LimitRequests limit_burst_rate"),
        (QuotaExceeded, "Throttling.AllocationQuota insufficient_quota AllocationQuota Arrearage"),
        (QuotaExceeded, "CommodityNotPurchased PrepaidBillOverdue PostpaidBillOverdue"),
        (ServiceFailed, "InternalError SystemError ModelServiceFailed ClientDisconnect"),
        (ServiceFailed, "FILE_TRANS_TASK_EXPIRED SERVER_ERROR"),
        (ServiceTimedOut, "InternalError.Timeout RequestTimeOut ResponseTimeout"),
        (ServiceUnavailable, "ServiceUnavailable ModelUnavailable"),
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
"""`InvalidParameter` says everything and nothing: these pieces of its messages say what it is about."""

_ADDRESS = re.compile(r"\b(?:https?|wss?|oss|file|data):[^\s\"'<>]+", re.IGNORECASE)
_DETAILS = re.compile(r"\s*For details, see:? \[address\]\.?", re.IGNORECASE)
_KEY = re.compile(r"\bsk-[\w*.-]+")
_INNER_CODE = re.compile(r"^\s*(?:<\d{3}>)?\s*([A-Z]\w*(?:\.\w+)+):\s*")
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_LONGEST_MESSAGE = 300


class ErrorObject(msgspec.Struct, frozen=True):
    """`error` of the compatible surfaces."""

    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What any answer may say of itself, an error included: native surfaces at the top, compatible ones in `error`."""

    id: str | None = None
    request_id: str | None = None
    code: str | int | None = None
    message: str | None = None
    msg: str | None = None
    error: ErrorObject | None = None


AnswerT = TypeVar("AnswerT", bound=Answer)
T = TypeVar("T")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for what is no JSON, has another shape or is nested too deeply."""


def no_speech(code: str | int | None) -> bool:
    """Whether this code is DashScope's way to say that nobody spoke: an answer, not an error."""
    return _spelling(str(code)) in _NO_SPEECH


def fault(status: int, body: bytes, headers: Mapping[str, str]) -> CompatError | None:
    """The error that an HTTP answer is, or None where it is none (so is "no speech", which comes as a 400).

    `headers` in lower case.
    """
    if 200 <= status < 300:
        return None
    try:
        answer = msgspec.json.decode(body, type=Answer)
    except UNREADABLE:
        answer = Answer()
    if no_speech(answer.code):
        return None
    code, message = _said(answer)
    request_id = answer.request_id or headers.get("x-request-id") or answer.id
    return _error(
        code, message, request_id, _STATUSES.get(status, _by_class(status)), f"HTTP {status}", _retry_after(headers)
    )


def task_fault(code: str | int | None, message: str | None, request_id: str | None) -> CompatError:
    """The error of a task, a subtask or a stream frame, where no HTTP status says anything."""
    return _error(str(code or ""), message or "", request_id, ServiceFailed, "no code")


def decode(shape: type[T], body: bytes | str) -> T:
    """One message from the wire. Raises ServiceFailed for what is not JSON or has another shape."""
    try:
        return msgspec.json.decode(body, type=shape)
    except UNREADABLE as error:
        raise ServiceFailed("DashScope's answer is not what its documents promise.") from error


def read(shape: type[AnswerT], reply: Reply) -> AnswerT:
    """A whole answer. Raises the error that it is, also where that comes under HTTP 200."""
    return checked(decode(shape, check(reply).body))


def check(reply: Reply) -> Reply:
    """The reply itself. Raises the error that its status says, if any."""
    error = fault(reply.status, reply.body, reply.headers)
    if error is not None:
        raise error
    return reply


def checked(answer: AnswerT) -> AnswerT:
    """The answer itself. Raises the error that it carries, if any."""
    if (answer.error is not None or answer.code) and not no_speech(answer.code):
        code, message = _said(answer)
        raise task_fault(code, message, answer.request_id or answer.id)
    return answer


def _said(answer: Answer) -> tuple[str, str]:
    if answer.error is not None:
        return str(answer.error.code or answer.error.type or ""), answer.error.message or ""
    return str(answer.code or ""), answer.message or answer.msg or ""


def _by_class(status: int) -> type[CompatError]:
    return BadRequest if 400 <= status < 500 else ServiceFailed


def _error(
    code: str,
    message: str,
    request_id: str | None,
    otherwise: type[CompatError],
    nameless: str,
    retry_after: float | None = None,
) -> CompatError:
    inner = _INNER_CODE.match(message)
    if inner:
        code, message = inner[1], message[inner.end() :]
    kind = _kind(code, message) or otherwise
    source = ", ".join([code or nameless, *([f"request {request_id}"] if request_id else [])])
    return kind(f"{_presentable(message)} (DashScope: {source})", retry_after=retry_after)


def _kind(code: str, message: str) -> type[CompatError] | None:
    """The class of the longest known prefix of a dotted code, or of what the message of a bad parameter is about."""
    plain = _spelling(code)
    while plain not in _CODES and "." in plain:
        plain = plain.rpartition(".")[0]
    kind = _CODES.get(plain)
    if kind is BadRequest or (kind is None and not plain):
        return next((about for piece, about in _MESSAGES if piece in message.lower()), kind)
    return kind


def _presentable(message: str) -> str:
    """The service's message without addresses and keys: it may quote where the audio lies."""
    shown = _DETAILS.sub("", _KEY.sub("[key]", _ADDRESS.sub("[address]", message))).strip()
    return shown[:_LONGEST_MESSAGE] or "The speech service refused the request."


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if _NUMBER.fullmatch(headers.get(name, "")):
            return float(headers[name]) * unit
    return None
