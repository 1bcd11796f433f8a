"""Audio at addresses on this machine: responses that are accepted, and errors."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from compat.emulator.state import Limits
from tests.emulator.running import TEXT, Start, wav
from tests.servers import serve


async def respond(request: Request) -> Response:
    match request.path_params["name"]:
        case "sound":
            assert "DashScopeUserBot" in request.headers["user-agent"]
            assert "authorization" not in request.headers
            return Response(wav())
        case "long":
            return Response(wav(3))
        case "unmeasured":
            return StreamingResponse(_pieces())
        case "moved":
            return RedirectResponse("/sound")
        case status:
            return Response(status_code=int(status))


async def _pieces() -> AsyncIterator[bytes]:
    yield wav()


SERVER = Starlette(routes=[Route("/{name}", respond)])
LIMITS = Limits(sync_bytes=64_000, file_bytes=64_000)


def test_audio_at_a_url_is_fetched(start: Start) -> None:
    with serve(SERVER) as url:
        assert start().chat(f"{url}/sound").json()["choices"][0]["message"]["content"] == TEXT


@pytest.mark.parametrize(
    ("name", "message", "code"),
    [
        ("403", "Failed to download multimodal content", "FILE_403_FORBIDDEN"),
        ("404", "Failed to download multimodal content", "FILE_404_NOT_FOUND"),
        ("500", "Failed to download multimodal content", "FILE_DOWNLOAD_FAILED"),
        (
            "moved",
            "Failed to download multimodal content. The emulator's own rule: it follows no redirects.",
            "FILE_DOWNLOAD_FAILED",
        ),
        ("unmeasured", "Missing Content-Length of multimodal url", "CONTENT_LENGTH_CHECK_FAILED"),
        ("long", "Multimodal file size is too large", "FILE_TOO_LARGE"),
    ],
)
def test_audio_that_cannot_be_fetched(start: Start, name: str, message: str, code: str) -> None:
    service = start(limits=LIMITS)
    with serve(SERVER) as url:
        refused = service.chat(f"{url}/{name}")
        submitted = service.submit("qwen3-asr-flash-filetrans", {"file_url": f"{url}/{name}"}).json()
        task = service.finished(submitted["output"]["task_id"])

    assert (refused.status_code, message in refused.json()["error"]["message"]) == (400, True)
    assert task["output"]["code"] == code
    assert ("follows no redirects" in task["output"]["message"]) == (name == "moved")
    assert list(service.emulator.folder.path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:1/a.wav", "Failed to download"),
        ("http://10.0.0.1/a.wav", "Failed to download multimodal content. The emulator's own rule"),
        ("http://localhost:x/a.wav", "does not appear to be valid"),
        ("http://[/a.wav", "does not appear to be valid"),
    ],
)
def test_an_unreachable_address(start: Start, url: str, message: str) -> None:
    assert message in start().chat(url).json()["error"]["message"]
