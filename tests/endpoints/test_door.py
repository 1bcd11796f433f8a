"""Overload and the end: what is refused, at once, and what goes on."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import openai
import pytest
from starlette.types import Message, Scope

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.endpoints.door import Door, Doorkeeper
from compat.errors import ServiceUnavailable
from tests.audio import media
from tests.house import house

SAID = (Sentence(text="It was the best of times.", begin_ms=100, end_ms=900),)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return media.make("wav", media.tone(1.0), 16000, 1, tmp_path_factory.mktemp("speech") / "a.wav").read_bytes()


def post(length: int = 0, path: str = "/v1/audio/transcriptions", method: str = "POST") -> Scope:
    headers = [(b"content-length", str(length).encode())]
    return {"type": "http", "method": method, "path": path, "headers": headers, "state": {"log": {}}}


LIVE: Scope = {"type": "websocket", "path": "/v1/realtime", "headers": []}


class Stage:
    """An app that nobody leaves before `over`, behind a door for one request, one session and 1000 bytes."""

    def __init__(self, folder: Path) -> None:
        self.door = Door(folder, requests=1, sessions=1, space=1000)
        self.over = asyncio.Event()
        self.entered = asyncio.Semaphore(0)
        self._keeper = Doorkeeper(self._app, self.door)

    async def _app(self, *_: object) -> None:
        self.entered.release()
        await self.over.wait()

    async def come(self, scope: Scope) -> int | None:
        """The status that is answered instead, or None."""
        sent: list[Message] = []

        async def receive() -> Message:
            raise AssertionError("the body is not read")

        async def send(message: Message) -> None:
            sent.append(message)

        await self._keeper({**scope}, receive, send)
        return sent[0]["status"] if sent else None


@pytest.mark.parametrize("scope", [post(), LIVE], ids=["request", "session"])
async def test_beyond_the_bound_new_work_is_refused_at_once_and_the_next_is_welcome(
    tmp_path: Path, scope: Scope
) -> None:
    stage = Stage(tmp_path)
    first = asyncio.create_task(stage.come(scope))
    await stage.entered.acquire()

    if scope is not LIVE:
        assert 503 == await stage.come(scope)
    others = [asyncio.create_task(stage.come(post(path=path, method="GET"))) for path in ("/healthz", "/v1/models")]
    for _ in others:
        await stage.entered.acquire()
    stage.over.set()

    assert [None, None, None] == await asyncio.gather(first, *others)
    assert (0, 0) == (stage.door.requests, stage.door.sessions)
    assert await stage.come(scope) is None


async def test_a_session_too_many_is_refused(tmp_path: Path) -> None:
    door = Door(tmp_path, requests=1, sessions=0, space=1)
    with pytest.raises(ServiceUnavailable, match="as many sessions") as caught:
        await door.enter(LIVE)

    assert ("overloaded", 1.0) == (caught.value.code, caught.value.retry_after)


@pytest.mark.parametrize(
    ("there", "coming", "status"), [(900, 50, None), (900, 200, 503), (0, 1001, 503), (0, 0, None)]
)
async def test_uploads_take_so_much_of_the_disk_and_no_more(
    tmp_path: Path, there: int, coming: int, status: int | None
) -> None:
    (tmp_path / "request").mkdir()
    (tmp_path / "request" / "upload").write_bytes(bytes(there))
    stage = Stage(tmp_path)
    stage.over.set()

    assert status == await stage.come(post(coming))


async def test_a_server_that_stops_takes_no_new_work(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.over.set()
    stage.door.leaving = True

    assert [503, None] == [await stage.come(post()), await stage.come(post(path="/healthz", method="GET"))]


def test_the_sdk_is_told_to_come_again(speech: bytes) -> None:
    over = threading.Event()
    with house(Scripted(SAID, before=lambda _: over.wait(60)), max_requests=1) as small:
        root, client = small.base_url.removesuffix("/v1"), small.client()

        def ask() -> str:
            return client.audio.transcriptions.create(model="whisper-1", file=("a.wav", speech)).text

        with ThreadPoolExecutor(1) as threads:
            first = threads.submit(ask)
            while "compat_requests_under_way 1.0" not in httpx2.get(f"{root}/metrics").text:
                pass
            with pytest.raises(openai.InternalServerError) as caught:
                ask()
            health = httpx2.get(f"{root}/healthz").status_code
            over.set()

            assert SAID[0].text == first.result()
        assert SAID[0].text == ask()

    assert (503, "overloaded", "1") == (
        caught.value.status_code,
        caught.value.code,
        caught.value.response.headers["retry-after"],
    )
    assert 200 == health
