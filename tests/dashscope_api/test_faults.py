"""Every row of DashScope's error tables, in both spellings, and the OpenAI error it becomes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from compat.dashscope_api.faults import Answer, checked, decode, fault, no_speech, read, task_fault
from compat.errors import CompatError, FileNotFetched, ServiceFailed
from tests.dashscope_api.support import answer

INVALID = (400, "invalid_request_error", "invalid_value", None, False)
AUDIO = (400, "invalid_request_error", "invalid_audio", "file", False)
LARGE = (413, "invalid_request_error", "request_too_large", "file", False)
UNFETCHED = (502, "server_error", "upstream_error", None, False)
REFUSED = (400, "invalid_request_error", "content_policy_violation", None, False)
KEY = (401, "invalid_request_error", "invalid_api_key", None, False)
FORBIDDEN = (403, "invalid_request_error", "permission_denied", None, False)
DENIED = (403, "invalid_request_error", "permission_denied", "model", False)
VOCABULARY = (400, "invalid_request_error", "invalid_value", "vocabulary_id", False)
LANGUAGE = (400, "invalid_request_error", "invalid_value", "language", False)
PROMPT = (400, "invalid_request_error", "invalid_value", "prompt", False)
MODEL = (404, "invalid_request_error", "model_not_found", "model", False)
MISSING = (404, "invalid_request_error", "not_found", None, False)
CONFLICT = (409, "invalid_request_error", "conflict", None, False)
RATE = (429, "requests", "rate_limit_exceeded", None, True)
QUOTA = (429, "insufficient_quota", "insufficient_quota", None, False)
FAILED = (502, "server_error", "upstream_error", None, True)
UNAVAILABLE = (503, "server_error", "service_unavailable", None, True)
LATE = (504, "server_error", "upstream_timeout", None, True)

Outcome = tuple[int, str, str, str | None, bool]
HTTP: list[tuple[int, str, str, Outcome]] = [
    (400, "InvalidParameter", "Required body invalid", INVALID),
    (400, "InvalidParameter", "url error, please check url", INVALID),
    (400, "InvalidParameter", "The audio is empty", AUDIO),
    (400, "InvalidParameter", "Multimodal file size is too large", LARGE),
    (400, "InvalidParameter", "Failed to download multimodal content", UNFETCHED),
    (400, "InvalidParameter", "Missing Content-Length of multimodal url", UNFETCHED),
    (400, "InvalidParameter", "Model not exist.", MODEL),
    (400, "InvalidParameter", "input must contain file_urls", INVALID),
    (400, "invalid_parameter_error", "<400> InternalError.Algo.InvalidParameter: The audio is too long", AUDIO),
    (400, "invalid_parameter_error", "Exceeded limit on max bytes per data-uri item : 10485760", LARGE),
    (400, "invalid_parameter_error", "The dedicated task `asr` does not support this input", INVALID),
    (400, "invalid_parameter_error", "<400> InternalError.Algo.InvalidParameter: format is empty", INVALID),
    (400, "InternalError.Algo.InvalidParameter", "The audio format is illegal and cannot be opened", AUDIO),
    (400, "InternalError.Algo.InvalidParameter", "The provided URL does not appear to be valid.", INVALID),
    (400, "InvalidParameter", "vocabulary_id is not supported by this model", VOCABULARY),
    (400, "InvalidParameter", "The parameters.vocabulary_id is invalid.", VOCABULARY),
    (400, "InvalidParameter", "input.context is not supported by this model", PROMPT),
    (400, "invalid_parameter_error", "<400> InternalError.Algo.InvalidParameter: Unsupported language: xx", LANGUAGE),
    (400, "Arrearage", "Access denied, please make sure your account is in good standing.", QUOTA),
    (403, "Arrearage", "Overdue", QUOTA),
    (400, "DataInspectionFailed", "Input data may contain inappropriate content.", REFUSED),
    (400, "data_inspection_failed", "Input data may contain inappropriate content.", REFUSED),
    (400, "InvalidFile.DownloadFailed", "The audio file cannot be downloaded.", UNFETCHED),
    (400, "InvalidFile.AudioLengthError", "Audio length must be between 1s and 300s", AUDIO),
    (400, "InvalidFile.Size", "Invalid file size.", AUDIO),
    (400, "InvalidFile.Duration", "Invalid file duration.", AUDIO),
    (400, "InvalidFile.Format", "Invalid file format.", AUDIO),
    (400, "InvalidFile.Openerror", "Invalid file, cannot open.", AUDIO),
    (400, "InvalidURL", "The URL is invalid.", UNFETCHED),
    (400, "InvalidURL.ConnectionRefused", "Connection refused.", UNFETCHED),
    (400, "InvalidURL.Timeout", "Download timeout.", UNFETCHED),
    (400, "BadRequest.EmptyInput", "No input.", AUDIO),
    (400, "BadRequest.EmptyParameters", "No parameters.", INVALID),
    (400, "BadRequest.EmptyModel", "No model.", INVALID),
    (400, "BadRequest.IllegalInput", "Illegal input.", INVALID),
    (400, "BadRequest.InputDownloadFailed", "Failed to download the input.", UNFETCHED),
    (400, "BadRequest.UnsupportedFileFormat", "Unsupported format.", AUDIO),
    (400, "BadRequest.TooLarge", "Payload too large.", LARGE),
    (400, "BadRequest.ResourceNotExist", "No such resource.", MISSING),
    (400, "ClientDisconnect", "Client disconnected.", FAILED),
    (401, "InvalidApiKey", "Invalid API-key provided.", KEY),
    (401, "invalid_api_key", "Incorrect API key provided.", KEY),
    (401, "", "NOT AUTHORIZED", KEY),
    (403, "AccessDenied", "Access denied.", DENIED),
    (403, "access_denied", "Access denied.", DENIED),
    (403, "AccessDenied", "current user api does not support asynchronous calls", DENIED),
    (403, "AccessDenied.Unpurchased", "Access to model denied.", DENIED),
    (403, "Model.AccessDenied", "Model access denied.", DENIED),
    (403, "Workspace.AccessDenied", "Workspace access denied.", FORBIDDEN),
    (403, "Endpoint.AccessDenied", "Endpoint access denied.", DENIED),
    (403, "AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted.", QUOTA),
    (404, "ModelNotFound", "Model not found", MODEL),
    (404, "model_not_found", "The model does not exist or you do not have access to it.", MODEL),
    (404, "model_not_supported", "Unsupported model for OpenAI compatibility mode.", MODEL),
    (404, "WorkSpaceNotFound", "Workspace not found.", MISSING),
    (404, "NotFound", "Not found!", MISSING),
    (409, "Conflict", "Already exists.", CONFLICT),
    (429, "Throttling", "Requests throttling triggered.", RATE),
    (429, "Throttling.RateQuota", "Requests rate limit exceeded.", RATE),
    (429, "LimitRequests", "You exceeded your current requests list.", RATE),
    (429, "limit_requests", "You exceeded your current requests list.", RATE),
    (429, "Throttling.BurstRate", "Request rate increased too quickly.", RATE),
    (429, "limit_burst_rate", "Request rate increased too quickly.", RATE),
    (429, "Throttling.Concurrency", "Too many concurrent requests.", RATE),
    (429, "Throttling.AllocationQuota", "Allocated quota exceeded.", QUOTA),
    (400, "Throttling.AllocationQuota", "Too many hot-word lists.", QUOTA),
    (429, "insufficient_quota", "You exceeded your current quota.", QUOTA),
    (429, "CommodityNotPurchased", "Commodity has not been purchased.", QUOTA),
    (429, "PrepaidBillOverdue", "The prepaid bill is overdue.", QUOTA),
    (429, "PostpaidBillOverdue", "The postpaid bill is overdue.", QUOTA),
    (500, "InternalError", "An internal error has occured.", FAILED),
    (500, "internal_error", "An internal error has occured.", FAILED),
    (500, "InternalError.Algo", "Algorithm error.", FAILED),
    (500, "InternalError.Timeout", "Timed out.", LATE),
    (500, "SystemError", "An system error has occured.", FAILED),
    (500, "ModelServiceFailed", "Failed to request model service.", FAILED),
    (500, "RequestTimeOut", "Response timeout!", LATE),
    (500, "ResponseTimeout", "Response timeout!", LATE),
    (503, "ServiceUnavailable", "Unavailable.", UNAVAILABLE),
    (500, "ServiceUnavailable", "Unavailable.", UNAVAILABLE),
    (503, "ModelUnavailable", "Model is unavailable.", UNAVAILABLE),
    (418, "Unknown.Code", "A future code.", INVALID),
    (500, "Unknown.Code", "A future code.", FAILED),
]
TASKS: list[tuple[str, Outcome]] = [
    *(
        (code, UNFETCHED)
        for code in (
            "FILE_DOWNLOAD_FAILED",
            "FILE_403_FORBIDDEN",
            "FILE_404_NOT_FOUND",
            "FILE_SERVER_ERROR",
            "REQUEST_INVALID_FILE_URL_VALUE",
            "CONTENT_LENGTH_CHECK_FAILED",
            "InvalidFile.DownloadFailed",
            "InvalidParameter.MalformedURL",
        )
    ),
    *(
        (code, AUDIO)
        for code in (
            "FILE_CHECK_FAILED",
            "FILE_NORMALIZE_FAILED",
            "FILE_PARSE_FAILED",
            "MKV_PARSE_FAILED",
            "DECODE_ERROR",
            "UNSUPPORTED_FORMAT",
            "AUDIO_DURATION_TOO_LONG",
            "NO_INPUT_AUDIO_ERROR",
            "NO_VALID_AUDIO_ERROR",
        )
    ),
    ("FILE_TOO_LARGE", LARGE),
    ("FILE_TRANS_TASK_EXPIRED", FAILED),
    ("SERVER_ERROR", FAILED),
    ("UNKNOWN_CODE", FAILED),
]


def outcome(error: CompatError | None) -> Outcome:
    assert error is not None
    return error.status, error.type, error.code or "", error.param, error.retryable


def bodies(code: str, message: str) -> list[dict[str, Any]]:
    """Return the error in the native and in the compatible shape."""
    inner = {"message": message, "type": "invalid_request_error", "param": None, "code": code or None}
    return [{"code": code, "message": message, "request_id": "r-1"}, {"error": inner, "request_id": "r-1"}]


@pytest.mark.parametrize(("status", "code", "message", "expected"), HTTP)
def test_an_http_error_becomes_an_openai_error(status: int, code: str, message: str, expected: Outcome) -> None:
    for body in bodies(code, message):
        error = fault(status, msgspec.json.encode(body), {})

        assert expected == outcome(error)
        assert error is not None
        assert message.rpartition(": <")[2].removeprefix("<400> InternalError.Algo.InvalidParameter: ") in error.message
        assert "request r-1" in error.message


@pytest.mark.parametrize(("code", "expected"), TASKS)
def test_a_failed_task_becomes_an_error(code: str, expected: Outcome) -> None:
    error = task_fault(code, "what happened", "r-1")

    assert expected == outcome(error)
    assert error.message == f"what happened (DashScope: {code}, request r-1)"


def test_a_failed_download_raises_file_not_fetched() -> None:
    assert isinstance(task_fault("FILE_DOWNLOAD_FAILED", None, None), FileNotFetched)


ENGINE: list[tuple[str, int, str | None]] = [
    ("Engine.Unavailable", 503, "30"),
    ("Engine.Busy", 429, "30"),
    ("Engine.Failed", 502, "30"),
    ("Engine.Timeout", 504, "30"),
    ("Engine.Misconfigured", 502, None),
]


@pytest.mark.parametrize(("code", "status", "later"), ENGINE)
def test_an_error_of_another_engine_has_a_time_also_in_a_stream(code: str, status: int, later: str | None) -> None:
    body = {"code": code, "message": "The engine at gpu:8000 is busy.", "request_id": "r-1"}
    whole, framed = (
        fault(status, msgspec.json.encode(body), {}),
        task_fault(code, "The engine at gpu:8000 is busy.", "r"),
    )

    assert whole is not None
    assert (status, later) == (framed.status, framed.headers().get("retry-after"))
    assert (framed.body(), framed.headers()) == (whole.body(), whole.headers())


@pytest.mark.parametrize("code", ["SUCCESS_WITH_NO_VALID_FRAGMENT", "ASR_RESPONSE_HAVE_NO_WORDS"])
def test_no_speech_is_not_an_error(code: str) -> None:
    assert no_speech(code)
    assert fault(400, msgspec.json.encode({"code": code, "message": "no words"}), {}) is None


STATUSES = [
    (301, FAILED), (400, INVALID), (401, KEY), (403, FORBIDDEN), (404, MISSING), (408, LATE), (409, CONFLICT),
    (413, LARGE), (415, AUDIO), (422, INVALID), (429, RATE), (500, FAILED), (502, FAILED), (503, UNAVAILABLE),
    (504, LATE),
]  # fmt: skip


@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"[]", b"\xff", b'{"code": {}}'])
@pytest.mark.parametrize(("status", "expected"), STATUSES)
def test_without_a_code_the_status_decides(status: int, expected: Outcome, body: bytes) -> None:
    error = fault(status, body, {"x-request-id": "r-2"})

    assert expected == outcome(error)
    assert error is not None
    assert error.message.endswith(f"(DashScope: HTTP {status}, request r-2)")


SEE = "For details, see: https://help.aliyun.com/zh/model-studio/error-code#"
VERBATIM: list[tuple[int, dict[str, Any], Outcome, str]] = [  # complete responses, published in 2025 and 2026
    (
        401,
        {
            "error": {
                "message": f"Incorrect API key provided. {SEE}apikey-error",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_api_key",
            },
            "request_id": "r",
        },
        KEY,
        "Incorrect API key provided. (DashScope: invalid_api_key, request r)",
    ),
    (
        401,
        {
            "error": {"message": "You didn't provide an API key. ", "type": "invalid_request_error", "code": None},
            "request_id": "r",
        },
        KEY,
        "You didn't provide an API key. (DashScope: invalid_request_error, request r)",
    ),
    (
        400,
        {
            "error": {"message": f"Access denied. {SEE}overdue-payment", "type": "Arrearage", "code": "Arrearage"},
            "id": "chatcmpl-r",
            "request_id": "r",
        },
        QUOTA,
        "Access denied. (DashScope: Arrearage, request r)",
    ),
    (
        404,
        {"code": "InvalidParameter", "message": "Model not exist.", "request_id": "r"},
        MODEL,
        "Model not exist. (DashScope: InvalidParameter, request r)",
    ),
    (
        400,
        {"code": "InvalidParameter", "message": "Request method 'GET' is not supported.", "request_id": "r"},
        INVALID,
        "Request method 'GET' is not supported. (DashScope: InvalidParameter, request r)",
    ),
]


@pytest.mark.parametrize(("status", "body", "expected", "message"), VERBATIM)
def test_published_error_responses(status: int, body: dict[str, Any], expected: Outcome, message: str) -> None:
    error = fault(status, msgspec.json.encode(body), {})

    assert expected == outcome(error)
    assert error is not None
    assert message == error.message


def test_a_success_status_is_not_an_error() -> None:
    assert fault(200, b'{"code":"Anything"}', {}) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_retry_after_is_parsed(headers: dict[str, str], seconds: float | None) -> None:
    error = fault(429, b'{"code":"Throttling.RateQuota"}', headers)

    assert error is not None
    assert seconds == error.retry_after


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Cannot get https://b.oss.com/a.wav?Signature=s now", "Cannot get [address] now"),
        ("Bad oss://dashscope-instant/x/a.wav", "Bad [address]"),
        ("No key. For details, see: https://help.aliyun.com/zh/error-code#apikey-error", "No key."),
        ('"data:audio/wav;base64,AAAA" is bad', '"[address]" is bad'),
        ("Incorrect API key provided: sk-12ab****ef.", "Incorrect API key provided: [key]"),
        ("x" * 5000, "x" * 300),
        ("", "The speech service refused the request."),
    ],
)
def test_urls_and_keys_are_removed_from_messages(message: str, shown: str) -> None:
    assert f"{shown} (DashScope: InvalidParameter)" == task_fault("InvalidParameter", message, None).message


@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b"[1]", b"[" * 100_000, b'{"id": 1}', b"\xff\xfe", b'{"request_id":"\xff"}']
)
def test_an_undecodable_response_raises_service_failed(body: bytes) -> None:
    with pytest.raises(ServiceFailed, match="unexpected format"):
        decode(Answer, body)


def test_an_error_with_http_200_is_raised() -> None:
    for body in bodies("InvalidApiKey", "No."):
        with pytest.raises(CompatError, match="InvalidApiKey, request r-1") as raised:
            read(Answer, answer(body))

        assert KEY == outcome(raised.value)


def test_an_empty_code_is_not_an_error() -> None:
    assert checked(Answer(code="", message="")) == read(Answer, answer({"code": "", "message": ""}))


def test_an_error_status_is_raised() -> None:
    with pytest.raises(CompatError, match="Throttling") as raised:
        read(Answer, answer({"code": "Throttling"}, 429, retry_after="3"))

    assert raised.value.retry_after == 3.0
