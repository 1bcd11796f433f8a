from __future__ import annotations

from typing import Any

import httpx2
import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from compat.app import create_app
from compat.config.parsers import proxies
from compat.config.settings import Settings
from compat.endpoints.proxies import ProxyMiddleware
from tests.servers import serve


async def seen(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse([scope["client"][0], scope["scheme"], scope["path"]])(scope, receive, send)


SENT: list[tuple[list[tuple[str, str]], list[str]]] = [
    ([], ["10.0.0.1", "http", "/asr/v1/models"]),
    ([("x-forwarded-for", "6.6.6.6, 203.0.113.7")], ["203.0.113.7", "http", "/asr/v1/models"]),
    ([("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.7")], ["203.0.113.7", "http", "/asr/v1/models"]),
    ([("x-forwarded-proto", "https")], ["10.0.0.1", "https", "/asr/v1/models"]),
    ([("x-forwarded-proto", "gopher")], ["10.0.0.1", "http", "/asr/v1/models"]),
    ([("x-forwarded-prefix", "/asr")], ["10.0.0.1", "http", "/v1/models"]),
    ([("x-forwarded-prefix", "/asr/")], ["10.0.0.1", "http", "/v1/models"]),
    ([("x-forwarded-prefix", "/as")], ["10.0.0.1", "http", "/asr/v1/models"]),
    ([("x-forwarded-prefix", "/taken/off")], ["10.0.0.1", "http", "/asr/v1/models"]),
]


@pytest.mark.parametrize(("headers", "expected"), SENT)
@pytest.mark.parametrize("trusted", ["10.0.0.0/8", "*", "10.0.0.2"])
async def test_headers_of_trusted_proxies_are_applied(
    headers: list[tuple[str, str]], expected: list[str], trusted: str
) -> None:
    if trusted == "*" and any(name == "x-forwarded-for" for name, _ in headers):
        expected = ["6.6.6.6", *expected[1:]]
    transport = httpx2.ASGITransport(ProxyMiddleware(seen, trusted=proxies(trusted)), client=("10.0.0.1", 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        response = (await client.get("/asr/v1/models", headers=headers)).json()

    assert response == (expected if trusted != "10.0.0.2" else ["10.0.0.1", "http", "/asr/v1/models"])


@pytest.mark.parametrize(
    ("trusted", "client", "status"), [("127.0.0.1", "203.0.113.7", 200), ("10.0.0.1", "127.0.0.1", 404)]
)
def test_the_whole_server_uses_a_trusted_proxy_s_headers(
    trusted: str, client: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(Settings(dashscope_api_key="k", trusted_proxies=proxies(trusted)))
    headers = {"x-forwarded-for": "203.0.113.7", "x-forwarded-prefix": "/asr"}
    with caplog.at_level("DEBUG", "compat.access"), serve(app) as root:
        answers = [
            httpx2.get(f"{root}/asr{path}", headers=headers) for path in ("/v1/models", "/", "/playground/app.js")
        ]

    entries: list[dict[str, Any]] = [record.fields for record in caplog.records if record.name == "compat.access"]  # type: ignore[attr-defined]
    assert [status] * 3 == [answer.status_code for answer in answers]
    assert [client] * 3 == [entry["client"] for entry in entries]
