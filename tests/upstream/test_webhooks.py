from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from typing import Any

import openai
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from compat.config.principal import Principal
from compat.dashscope_api.calls import Call
from compat.upstream.http import Service
from compat.upstream.webhooks import Undelivered, Webhooks, signature
from tests.servers import serve

SECRET = b"a secret of thirty-two bytes ..."
BODY = b'{"type":"transcription.job.completed"}'


def test_the_official_sdk_verifies_the_signature() -> None:
    client = openai.OpenAI(api_key="unused")
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": signature(SECRET, "msg_1", 1_700_000_000, BODY),
    }
    secret = "whsec_" + base64.b64encode(SECRET).decode()

    client.webhooks.verify_signature(BODY, headers, secret=secret, tolerance=10**10)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.verify_signature(BODY + b" ", headers, secret=secret, tolerance=10**10)
    client.close()


async def test_a_receiver_gets_the_body_and_its_signature() -> None:
    received: list[tuple[dict[str, str], bytes]] = []

    async def done(request: Request) -> Response:
        received.append((dict(request.headers), await request.body()))
        return Response(status_code=204)

    webhooks = Webhooks(SECRET, private=True)
    with serve(Starlette(routes=[Route("/done", done, methods=["POST"])])) as root:
        root = root.replace("127.0.0.1", "localhost")
        await webhooks.send(f"{root}/done", "msg_1", 1_700_000_000, BODY)
        await webhooks.close()

    [(headers, body)] = received
    assert json.loads(body) == json.loads(BODY)
    assert root == f"http://{headers['host']}"
    assert ("msg_1", "1700000000") == (headers["webhook-id"], headers["webhook-timestamp"])
    assert signature(SECRET, "msg_1", 1_700_000_000, body) == headers["webhook-signature"]


async def test_an_error_or_a_redirect_of_the_receiver_is_a_failed_call() -> None:
    async def redirect(_: Request) -> Response:
        return RedirectResponse("/secret", 307)

    async def secret(_: Request) -> Response:
        raise AssertionError("a redirect was followed")

    webhooks = Webhooks(SECRET, private=True)
    routes = [Route("/redirect", redirect, methods=["POST"]), Route("/secret", secret, methods=["POST"])]
    with serve(Starlette(routes=routes)) as root:
        for path in ("redirect", "missing"):
            with pytest.raises(Undelivered, match="HTTP"):
                await webhooks.send(f"{root}/{path}", "msg_1", 1, BODY)
    await webhooks.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
async def test_a_host_name_is_checked_by_the_addresses_it_resolves_to(host: str) -> None:
    called: list[str] = []

    async def done(request: Request) -> Response:
        called.append(request.url.path)
        return Response()

    webhooks = Webhooks(SECRET, private=False)
    with serve(Starlette(routes=[Route("/done", done, methods=["POST"])])) as root:
        port = root.rpartition(":")[2]
        with pytest.raises(Undelivered):
            await webhooks.send(f"http://{host}:{port}/done", "msg_1", 1, BODY)
    await webhooks.close()
    assert [] == called


async def test_slow_host_names_of_webhooks_delay_no_other_lookups(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's name is resolved while more host names of webhooks hang than the event loop has threads."""
    resolve, over, asked = socket.getaddrinfo, threading.Event(), threading.Semaphore(0)

    def slow(host: str, *rest: Any, **options: Any) -> Any:  # noqa: ANN401 - the standard library's own
        if host == "slow.podcasts.fm":
            asked.release()
            over.wait(60)
        return resolve("127.0.0.1" if host == "slow.podcasts.fm" else host, *rest, **options)

    async def there(_: Request) -> Response:
        return Response(b"{}")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    webhooks = Webhooks(SECRET, private=False)
    with serve(Starlette(routes=[Route("/", there)])) as root:
        calls = [asyncio.create_task(webhooks.send("https://slow.podcasts.fm/", "m", 1, BODY)) for _ in range(48)]
        for _ in calls:
            await asyncio.to_thread(asked.acquire)
        service = Service(root.replace("127.0.0.1", "localhost"), connect_timeout=5, answer_timeout=5, attempts=1)
        reply = await service.send(Call(method="GET", url="/"), Principal("k"))
        over.set()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        await service.close()
        await webhooks.close()

    assert b"{}" == reply.body
    assert {"not on the public internet"} == {str(outcome) for outcome in outcomes}
