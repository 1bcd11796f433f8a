from __future__ import annotations

import base64
import ipaddress
import json

import openai
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from compat.errors import BadRequest
from compat.upstream.webhooks import Undelivered, Webhooks, check, public, signature
from tests.servers import serve

SECRET = b"a secret of thirty-two bytes ..."
BODY = b'{"type":"transcription.job.completed"}'

ADDRESSES = [
    ("93.184.216.34", True),
    ("2606:2800:220:1:248:1893:25c8:1946", True),
    ("127.0.0.1", False),
    ("0.0.0.0", False),
    ("10.1.2.3", False),
    ("172.16.0.1", False),
    ("192.168.1.1", False),
    ("100.64.0.1", False),
    ("100.100.100.200", False),  # Alibaba Cloud's metadata
    ("169.254.169.254", False),
    ("224.0.0.1", False),
    ("255.255.255.255", False),
    ("::1", False),
    ("::", False),
    ("fe80::1", False),
    ("fd00::1", False),
    ("fd00:ec2::254", False),
    ("ff02::1", False),
    ("::ffff:127.0.0.1", False),
    ("::ffff:169.254.169.254", False),
    ("2002:7f00:1::", False),  # 6to4 of 127.0.0.1
    ("64:ff9b::7f00:1", False),
]


@pytest.mark.parametrize(("address", "expected"), ADDRESSES)
def test_only_the_public_internet_is_called(address: str, expected: bool) -> None:
    assert expected is public(ipaddress.ip_address(address))


REFUSED = [
    ("http://caller.example/", "not an https address"),
    ("ftp://caller.example/", "not an https address"),
    ("https://", "not an https address"),
    ("caller.example", "not an https address"),
    ("https://caller.example:port/", "not an address"),
    ("https://[::1", "not an address"),
    ("https://user:pass@caller.example/", "a name or a password"),
    ("https://127.0.0.1/", "not on the public internet"),
    ("https://[::1]/", "not on the public internet"),
    ("https://169.254.169.254/latest", "not on the public internet"),
]


@pytest.mark.parametrize(("url", "reason"), REFUSED)
def test_what_can_never_be_called_is_refused(url: str, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason) as caught:
        check(url, http=False, private=False)

    assert "webhook_url" == caught.value.param
    assert url not in caught.value.message


def test_what_is_allowed_passes() -> None:
    check("https://caller.example:8443/done?job=1", http=False, private=False)
    check("http://127.0.0.1:9/done", http=True, private=True)


def test_the_signature_is_the_one_that_the_official_sdk_verifies() -> None:
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
    got: list[tuple[dict[str, str], bytes]] = []

    async def done(request: Request) -> Response:
        got.append((dict(request.headers), await request.body()))
        return Response(status_code=204)

    webhooks = Webhooks(SECRET, private=True)
    with serve(Starlette(routes=[Route("/done", done, methods=["POST"])])) as root:
        root = root.replace("127.0.0.1", "localhost")
        await webhooks.send(f"{root}/done", "msg_1", 1_700_000_000, BODY)
        await webhooks.close()

    [(headers, body)] = got
    assert json.loads(body) == json.loads(BODY)
    assert root == f"http://{headers['host']}"
    assert ("msg_1", "1700000000") == (headers["webhook-id"], headers["webhook-timestamp"])
    assert signature(SECRET, "msg_1", 1_700_000_000, body) == headers["webhook-signature"]


async def test_a_receiver_that_fails_or_sends_on_was_not_reached() -> None:
    async def elsewhere(_: Request) -> Response:
        return RedirectResponse("/secret", 307)

    async def secret(_: Request) -> Response:
        raise AssertionError("a redirect was followed")

    webhooks = Webhooks(SECRET, private=True)
    routes = [Route("/elsewhere", elsewhere, methods=["POST"]), Route("/secret", secret, methods=["POST"])]
    with serve(Starlette(routes=routes)) as root:
        for path in ("elsewhere", "missing"):
            with pytest.raises(Undelivered, match="HTTP"):
                await webhooks.send(f"{root}/{path}", "msg_1", 1, BODY)
    await webhooks.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
async def test_a_name_is_judged_by_what_it_resolves_to(host: str) -> None:
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
