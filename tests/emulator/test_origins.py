"""Refused requests: foreign host names, foreign pages on control routes, unknown paths and methods."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from compat.emulator.faults import Faults, Refuse, Rule
from compat.emulator.site import LOOPBACK, SERVICE, Site
from tests.emulator.running import CHAT, GENERATION, TRANSCRIPTION, RunningEmulator, Start, started

ARREARAGE = "Access denied, please make sure your account is in good standing."


@pytest.fixture(scope="module")
def service() -> Iterator[RunningEmulator]:
    with started(site=Site(hosts=LOOPBACK | {SERVICE})) as made:
        yield made


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LocalHost:9", 200),
        ("127.0.0.1:80", 200),
        ("[::1]:8001", 200),
        ("dashscope.aliyuncs.com", 200),
        ("ws-1.cn-beijing.maas.aliyuncs.com:443", 200),
        ("page.example", 421),
        ("aliyuncs.com.page.example", 421),
        ("notaliyuncs.com", 421),
        ("127.0.0.1.page.example:80", 421),
    ],
)
def test_accepted_host_names(service: RunningEmulator, host: str, status: int) -> None:
    assert status == service.http.get("/api/v1/tasks", headers={"host": host}).status_code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 204),
        ({"sec-fetch-site": "same-origin"}, 204),
        ({"sec-fetch-site": "none"}, 204),
        ({"origin": "https://page.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/emulator/faults", "/emulator/faults/", "/emulator/reset"])
def test_foreign_pages_cannot_use_control_routes(
    service: RunningEmulator, path: str, headers: dict[str, str], status: int
) -> None:
    assert status == service.http.post(path, content=b"[]", headers=headers).status_code


def test_control_routes_can_be_disabled(start: Start) -> None:
    service = start(site=Site(control=False))

    for path in ("faults", "counts", "requests", "sessions", "reset"):
        assert {404} == {service.http.request(method, f"/emulator/{path}").status_code for method in ("GET", "POST")}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api-ws/v1/inference/x", "and /api-ws/v1/inference"),
        ("/api-ws/v1/realtime/x", "other than /api-ws/v1/realtime"),
        ("/", "no known surface"),
    ],
)
def test_a_handshake_on_an_unknown_path(
    service: RunningEmulator, path: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"ws{service.url.removeprefix('http')}{path}?model=paraformer-realtime-v2"
    headers = {"Authorization": "Bearer sk-test"}
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(InvalidStatus) as caught,
        connect(address, additional_headers=headers),
    ):
        pass

    assert 404 == caught.value.response.status_code
    body = json.loads(caught.value.response.body or b"")
    assert "NotFound" == body["code"]
    assert message in body["message"]
    assert any("no such surface" in record.message and "model" not in record.message for record in caplog.records)


UNKNOWN = [
    ("/compatible-mode/v1/audio/transcriptions", "compat", "OpenAI's audio API"),
    ("/compatible-mode/v1/embeddings", "compat", "other than chat/completions"),
    ("/api/v1/services/aigc/text-generation/generation", "native", "other than speech recognition"),
    ("/v1/audio/transcriptions", "native", "no known surface"),
]


@pytest.mark.parametrize(("path", "shape", "message"), UNKNOWN)
def test_an_unknown_path(service: RunningEmulator, path: str, shape: str, message: str) -> None:
    answer = service.http.post(path, json={})
    body = answer.json()

    assert 404 == answer.status_code
    assert message in (body["error"] if shape == "compat" else body)["message"]
    assert body["request_id"]


@pytest.mark.parametrize(
    "path", [GENERATION, TRANSCRIPTION, "/api/v1/tasks/x/cancel", "/api-ws/v1/realtime", GENERATION + "/"]
)
def test_get_is_refused_where_post_is_required(service: RunningEmulator, path: str) -> None:
    answer = service.http.get(path)

    assert (400, "InvalidParameter") == (answer.status_code, answer.json()["code"])
    assert "Request method 'GET' is not supported." == answer.json()["message"]
    assert "Request method 'GET' is not supported." == service.http.get(CHAT).json()["error"]["message"]


NATIVE = [
    ({"input": {"messages": []}}, "BadRequest.EmptyModel", 'Required parameter "model" missing from request.'),
    ({"model": "", "input": {}}, "BadRequest.EmptyModel", 'Required parameter "model" missing from request.'),
    ({"model": "qwen3-asr-flash"}, "BadRequest.EmptyInput", "Required input parameter missing from request."),
    ({}, "BadRequest.EmptyModel", 'Required parameter "model" missing from request.'),
]


@pytest.mark.parametrize("path", [GENERATION, TRANSCRIPTION])
@pytest.mark.parametrize(("body", "code", "message"), NATIVE)
def test_a_missing_member_is_named(
    service: RunningEmulator, path: str, body: dict[str, object], code: str, message: str
) -> None:
    answer = service.http.post(path, json=body)

    assert (400, code, message) == (answer.status_code, answer.json()["code"], answer.json()["message"])


def test_an_unknown_model_by_surface(service: RunningEmulator) -> None:
    asked = {"model": "qwen9", "input": {"file_url": "u", "messages": []}}
    generated, submitted = service.http.post(GENERATION, json=asked), service.http.post(TRANSCRIPTION, json=asked)

    assert (400, "InvalidParameter", "Model not exist.") == _said(generated)
    assert (404, "ModelNotFound", "Model can not be found.") == _said(submitted)


def _said(answer: httpx2.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.json()["code"], answer.json()["message"]


TYPES = [
    (400, "Arrearage", "Arrearage"),
    (400, "data_inspection_failed", "data_inspection_failed"),
    (403, "AllocationQuota.FreeTierOnly", "AllocationQuota.FreeTierOnly"),
    (400, "invalid_parameter_error", "invalid_request_error"),
    (404, "model_not_found", "invalid_request_error"),
    (429, "limit_requests", "limit_requests"),
]


@pytest.mark.parametrize(("status", "code", "kind"), TYPES)
def test_the_type_of_an_error_on_chat(start: Start, status: int, code: str, kind: str) -> None:
    body = start(faults=Faults((Rule("chat", Refuse(status, code, ARREARAGE)),))).chat().json()

    assert {"message": ARREARAGE, "type": kind, "param": None, "code": code} == body["error"]
    assert body["id"] == f"chatcmpl-{body['request_id']}"


def test_addresses_begin_with_the_public_url(start: Start) -> None:
    service = start(site=Site(public_url="https://dashscope.test/"))
    policy = service.http.get("/api/v1/uploads", params={"action": "getPolicy", "model": "fun-asr"}).json()["data"]

    assert "https://dashscope.test/emulator/store" == policy["upload_host"]
