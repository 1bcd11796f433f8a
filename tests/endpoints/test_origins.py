"""A server without keys serves only local programs and pages; with keys or --insecure it serves everybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from compat.app import create_app
from compat.config.settings import Settings
from compat.emulator.engines.scripted import Scripted
from compat.endpoints.origins import OriginMiddleware
from compat.endpoints.paths import PROBES
from compat.observability.entry import RequestEntry
from tests.running import RunningServer, running_server
from tests.servers import serve

FORM = {"content-type": "application/x-www-form-urlencoded"}
OURS: dict[str, dict[str, str]] = {
    "a program": {},
    "a program with a port": {"host": "localhost:8000"},
    "the name in capitals": {"host": "LocalHost"},
    "the name with a dot at its end": {"host": "localhost.:8000"},
    "a name below it": {"host": "asr.localhost:8000"},
    "another address of loopback": {"host": "127.9.9.9:1"},
    "IPv6": {"host": "[::1]:8000"},
    "IPv4 in IPv6": {"host": "[::ffff:127.0.0.1]"},
    "a name that the operator gave": {"host": "asr.example.com:443"},
    "its page": {"host": "asr.example.com", "origin": "https://asr.example.com", "sec-fetch-site": "same-origin"},
    "the playground": {"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"},
    "a page of another port": {"origin": "http://localhost:3000", "sec-fetch-site": "same-site"},
    "a page of another name": {"origin": "http://localhost:3000", "sec-fetch-site": "cross-site"},
    "an app of Tauri's": {"origin": "tauri://localhost", "sec-fetch-site": "cross-site"},
    "an app that the operator named": {"origin": "app://desk", "sec-fetch-site": "cross-site"},
    "an extension that the operator named": {"origin": "chrome-extension://abcd"},
    "a file that the operator named": {"origin": "null", "sec-fetch-site": "cross-site"},
    "an address that was typed": {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
}
FOREIGN: dict[str, dict[str, str]] = {
    "a rebound name": {"host": "evil.example", "origin": "http://evil.example", "sec-fetch-site": "same-origin"},
    "a rebound name without an origin": {"host": "evil.example:8000"},
    "a name that starts like a local one": {"host": "localhost.evil.example"},
    "a name that starts like a local address": {"host": "127.0.0.1.nip.io:8000"},
    "a name that ends like a local one": {"host": "evillocalhost"},
    "any address": {"host": "0.0.0.0:8000"},
    "another address": {"host": "[::2]:8000"},
    "a page of another site": {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    "one without fetch metadata": {"origin": "https://evil.example"},
    "one whose name starts like a local one": {"origin": "http://localhost.evil.example"},
    "one with a local user name": {"origin": "http://localhost@evil.example"},
    "one with a local path": {"origin": "http://evil.example\\@localhost"},
    "one with a zone": {"origin": "http://[::1%25evil.example]"},
    "one whose origin is invalid": {"origin": "http://["},
    "a file": {"origin": "file://"},
    "a form without an origin": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    "a picture": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
}
NAMED = {"hosts": ("asr.example.com",), "origins": ("app://desk", "chrome-extension://abcd", "null")}


async def served(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("served")(scope, receive, send)


async def answer(method: str, path: str, headers: Mapping[str, str]) -> int:
    async def state(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["entry"] = RequestEntry(method="GET")
        await OriginMiddleware(served, **NAMED)(scope, receive, send)

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(state), base_url="http://127.0.0.1:8000") as client:
        return (await client.request(method, path, headers=headers)).status_code


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/models", "/metrics", "/"])
@pytest.mark.parametrize("headers", OURS.values(), ids=OURS)
async def test_local_programs_and_pages_are_served(headers: dict[str, str], path: str) -> None:
    assert 200 == await answer("POST", path, headers)


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/models", "/metrics", "/", "/playground/app.js"])
@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
async def test_foreign_host_names_and_pages_are_refused(headers: dict[str, str], path: str) -> None:
    assert [403, 403] == [await answer(method, path, headers) for method in ("POST", "GET")]


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
async def test_health_checks_always_pass(headers: dict[str, str], path: str) -> None:
    assert 200 == await answer("GET", path, headers)


async def test_a_link_from_another_site_opens_the_playground_and_nothing_else() -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}

    assert 200 == await answer("GET", "/", link)
    assert 403 == await answer("GET", "/v1/models", link)
    assert 403 == await answer("GET", "/", {**link, "sec-fetch-dest": "iframe"})
    assert 403 == await answer("GET", "/", {**link, "host": "evil.example"})


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Scripted(()), cors_origins=("app://desk",), allowed_hosts=("asr.example.com",)) as opened:
        yield opened


PLACES = [("POST", "/audio/transcriptions"), ("POST", "/realtime/client_secrets"), ("GET", "/models"), ("GET", "/x")]


@pytest.mark.parametrize(("method", "path"), PLACES)
@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_every_route_refuses_pages_of_other_sites(
    server: RunningServer, method: str, path: str, headers: dict[str, str]
) -> None:
    response = httpx2.request(method, server.base_url + path, headers={**FORM, **headers}, content="model=whisper-1")

    assert (403, "permission_denied") == (response.status_code, response.json()["error"]["code"])
    assert "access-control-allow-origin" not in response.headers
    assert not server.dashscope.counts


LOCAL = [
    "http://localhost:5173",
    "https://127.0.0.1:3000",
    "http://[::1]:8080",
    "http://app.localhost",
    "tauri://localhost",
]


@pytest.mark.parametrize("origin", LOCAL)
def test_a_page_on_this_machine_can_read_the_response(server: RunningServer, origin: str) -> None:
    url = f"{server.base_url}/audio/transcriptions"
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    preflight = httpx2.options(url, headers={"origin": origin, **asked})
    response = httpx2.post(url, headers={"origin": origin}, json={})

    assert (200, origin) == (preflight.status_code, preflight.headers["access-control-allow-origin"])
    assert (400, origin) == (response.status_code, response.headers["access-control-allow-origin"])


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
async def test_a_page_of_another_site_cannot_open_a_session(server: RunningServer, headers: dict[str, str]) -> None:
    address = server.base_url.replace("http", "ws", 1) + "/realtime"
    host = {"host": headers["host"]} if "host" in headers else {}
    others = {name: value for name, value in headers.items() if name != "host"}
    uri = address.replace(address.split("/")[2], host["host"]) if host else address
    where = address.split("/")[2].split(":")
    with pytest.raises(InvalidStatus) as refused:
        async with connect(uri, host=where[0], port=int(where[1]), additional_headers=others, proxy=None):
            pass

    assert 403 == refused.value.response.status_code


@pytest.mark.parametrize("kind", ["keys", "pass_key", "insecure"])
def test_any_host_name_is_served_with_keys_or_insecure(kind: str) -> None:
    settings = {"keys": {"api_keys": ("a-key",)}, "pass_key": {"pass_key": True}, "insecure": {}}[kind]
    app: Starlette = create_app(Settings(dashscope_api_key="k", **settings), insecure=kind == "insecure")  # type: ignore[arg-type]
    with serve(app) as root:
        answers = [
            httpx2.get(f"{root}/v1/models", headers={"authorization": "Bearer a-key", **headers}).status_code
            for headers in FOREIGN.values()
        ]

    assert {200} == {*answers}
