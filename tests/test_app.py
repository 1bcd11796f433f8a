"""Routes, error responses and CORS of the whole application."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import openai
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from compat.app import EXPOSED
from compat.emulator.engines.scripted import Scripted
from compat.endpoints.not_found import ABSENT
from compat.errors import CompatError
from tests.running import RunningServer, running_server

PAGE = "https://app.example"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Scripted(()), cors_origins=(PAGE,)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("GET", "/v1/audio/transcriptions", 405, "method_not_allowed"),
        ("PUT", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/readyz", 404, "unknown_url"),  # with a 200, clients would identify another product
        ("GET", "/v1/test", 404, "unknown_url"),
        ("POST", "/v1/chat/completions", 404, "unsupported_endpoint"),
        ("POST", "/openai/deployments/a/chat/completions", 404, "unsupported_endpoint"),
        ("GET", "/v1/files/file_1", 404, "unsupported_endpoint"),
    ],
)
def test_unknown_paths_and_methods_get_an_error_in_openai_shape(
    server: RunningServer, method: str, path: str, status: int, code: str
) -> None:
    answer = httpx2.request(method, server.base_url.removesuffix("/v1") + path)

    assert (status, code) == (answer.status_code, answer.json()["error"]["code"])


def test_unsupported_openai_endpoints_raise_the_sdk_exception(server: RunningServer) -> None:
    client = server.client(max_retries=2)
    for path in ABSENT:
        with pytest.raises(openai.NotFoundError, match="is not offered") as refused:
            client.post(path, body={"model": "any"}, cast_to=object)
        assert "unsupported_endpoint" == refused.value.code


@pytest.mark.parametrize("query", ["call_id=rtc_1", "model=gpt-realtime-translate"])
def test_unsupported_realtime_sessions_are_refused(server: RunningServer, query: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{server.base_url.replace('http', 'ws', 1)}/realtime?{query}")
    assert 400 == refused.value.response.status_code


def test_the_error_for_a_wrong_method_lists_the_allowed_ones(server: RunningServer) -> None:
    answer = httpx2.get(server.base_url + "/audio/transcriptions")

    assert "GET is not allowed on /v1/audio/transcriptions: use POST." == answer.json()["error"]["message"]
    assert "POST" == answer.headers["allow"]


@pytest.mark.parametrize("path", ["/healthz", "/health"])  # other whisper servers have /health
def test_health_needs_no_key(server: RunningServer, path: str) -> None:
    answer = httpx2.get(server.base_url.removesuffix("/v1") + path)

    assert (200, {"status": "ok"}) == (answer.status_code, answer.json())


@pytest.mark.parametrize(("given", "kept"), [("my-id.1", True), ("bad id", False), ("x" * 200, False)])
def test_a_valid_request_id_of_the_client_is_kept(server: RunningServer, given: str, kept: bool) -> None:
    answer = httpx2.get(f"{server.base_url}/models", headers={"x-request-id": given})

    assert kept == (given == answer.headers["x-request-id"])
    assert answer.headers["openai-processing-ms"].isdecimal()


def test_pages_of_an_allowed_origin_may_send_requests(server: RunningServer) -> None:
    asked = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    preflight = httpx2.options(f"{server.base_url}/audio/transcriptions", headers=asked)
    answer = httpx2.get(f"{server.base_url}/models", headers={"origin": PAGE})

    assert (200, PAGE) == (preflight.status_code, preflight.headers["access-control-allow-origin"])
    assert "x-request-id" in answer.headers["access-control-expose-headers"]


def test_public_pages_of_an_allowed_origin_may_reach_a_private_network(server: RunningServer) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-private-network": "true"}
    address = f"{server.base_url}/audio/transcriptions"
    named = httpx2.options(address, headers={"origin": PAGE, **asked})
    other = httpx2.options(address, headers={"origin": "https://evil.example", **asked})

    assert (200, PAGE) == (named.status_code, named.headers["access-control-allow-origin"])
    assert "true" == named.headers["access-control-allow-private-network"]
    assert (403, False) == (other.status_code, "access-control-allow-private-network" in other.headers)


def test_the_error_for_a_forbidden_origin_names_the_setting() -> None:
    with running_server(Scripted(()), cors_origins=(PAGE,), api_keys=("caller's-own-key",)) as server:
        asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        answer = httpx2.options(f"{server.base_url}/audio/transcriptions", headers=asked)

    assert (403, "permission_denied") == (answer.status_code, answer.json()["error"]["code"])
    assert "COMPAT_CORS_ORIGINS" in answer.json()["error"]["message"]
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("DELETE", 200), ("PUT", 403)])
def test_allowed_pages_may_use_the_methods_of_the_routes(server: RunningServer, method: str, status: int) -> None:
    asked = {"origin": PAGE, "access-control-request-method": method}
    answer = httpx2.options(f"{server.base_url}/models", headers=asked)

    assert (status, PAGE) == (answer.status_code, answer.headers["access-control-allow-origin"])
    if status == 403:
        assert "Pages may use GET, HEAD, POST, DELETE, not PUT." == answer.json()["error"]["message"]


def errors(kind: type[CompatError] = CompatError) -> list[type[CompatError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in errors(child))]


@pytest.mark.parametrize("error", errors())
def test_error_headers_are_exposed_to_pages(error: type[CompatError]) -> None:
    of_the_connection = {"connection", "accept-encoding"}

    assert error("no", retry_after=1).headers().keys() - of_the_connection <= set(EXPOSED)


def test_pages_of_another_origin_get_no_cors_headers(server: RunningServer) -> None:
    answer = httpx2.get(f"{server.base_url}/models", headers={"origin": "https://evil.example"})

    assert "access-control-allow-origin" not in answer.headers


def test_an_endless_upload_is_cut_off_with_a_response() -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        while True:
            sent += 1 << 16
            yield bytes(1 << 16)

    with running_server(Scripted(()), max_upload=1 << 20) as server:
        answer = httpx2.post(
            f"{server.base_url}/audio/transcriptions",
            content=body(),
            headers={"content-type": "multipart/form-data; boundary=b"},
        )

    assert (413, "file") == (answer.status_code, answer.json()["error"]["param"])
    assert sent < 1 << 26
