"""Performs the steps of probes on the network. The key goes to the configured hosts only."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar, assert_never

import httpx2
import pybase64
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from compat.dashscope_api.calls import Call, Reply, Submitted, Wait
from compat.errors import CompatError, NotAuthenticated
from compat.probes.steps import Answer, Closed, Open, Ping, Pong, Receive, Send, Step, Steps
from compat.upstream import http, sockets

T = TypeVar("T")
ANSWER = 60.0  # seconds for an HTTP response
AGENT = "qwen-asr-compat"
NO_CODE = 1006
UNAUTHORISED = 401
REFUSED = "DashScope refuses the key: is it of this region?"


class Driver:
    """The account at `root` and `live_root`. `hosts` are further roots that may get the key.

    All waits are multiplied by `pace`: an emulator needs none of them.
    """

    def __init__(
        self,
        root: str,
        live_root: str,
        key: str,
        client: httpx2.AsyncClient,
        *,
        hosts: tuple[str, ...],
        pace: float,
    ) -> None:
        self._root = root
        self._live_root = live_root
        self._key = key
        self._client = client
        self._trusted = (root, *hosts)
        self._pace = pace
        self._socket: ClientConnection | None = None
        self._pong: Awaitable[float] | None = None

    async def run(self, steps: Steps[T]) -> T:
        """Perform the steps and return the result. Errors of the network are raised in the probe.

        Raises NotAuthenticated if the service refuses the key.
        """
        answer: Answer | CompatError = None
        try:
            while True:
                step = steps.throw(answer) if isinstance(answer, CompatError) else steps.send(answer)
                try:
                    answer = await self._perform(step)
                except CompatError as exc:
                    answer = exc
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()
            await self._close()

    async def _perform(self, step: Step) -> Answer:
        match step:
            case Call():
                return await self._call(step)
            case Wait(seconds):
                await asyncio.sleep(seconds * self._pace)
            case Submitted():
                pass
            case Open(path):
                return await self._open(path)
            case Send(frames, seconds):
                await self._send(frames, seconds * self._pace)
            case Receive(seconds, quiet):
                return await self._receive(seconds * self._pace if quiet else seconds)
            case Ping():
                await self._ping()
            case Pong(seconds):
                return await self._ponged(seconds * self._pace)
            case _:
                assert_never(step)
        return None

    async def _call(self, call: Call) -> Reply:
        url = self._root + call.url if call.url.startswith("/") else call.url
        own = call.key and any(url.startswith(f"{root}/") for root in self._trusted)
        headers = {**call.headers, **({"authorization": f"Bearer {self._key}"} if own else {})}
        try:
            response = await self._client.request(call.method, url, headers=headers, content=_content(call))
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as exc:
            raise http.translated(exc) from exc
        if own and response.status_code == UNAUTHORISED:
            raise NotAuthenticated(REFUSED)
        named = {name.lower(): value for name, value in response.headers.items()}
        return Reply(status=response.status_code, body=response.content, headers=named)

    async def _open(self, path: str) -> Reply | None:
        await self._close()
        try:
            self._socket = await sockets.NoRedirects(
                self._live_root + path,
                additional_headers={"authorization": f"Bearer {self._key}"},
                user_agent_header=AGENT,
                compression=None,
                ping_interval=None,
                max_queue=None,
                close_timeout=1.0,
            )
        except InvalidStatus as exc:
            if exc.response.status_code == UNAUTHORISED:
                raise NotAuthenticated(REFUSED) from exc
            named = {name.lower(): value for name, value in exc.response.headers.raw_items()}
            return Reply(status=exc.response.status_code, body=bytes(exc.response.body or b""), headers=named)
        except (WebSocketException, OSError, EOFError) as exc:
            raise sockets.translated(exc) from exc
        return None

    @property
    def _open_socket(self) -> ClientConnection:
        if self._socket is None:
            raise RuntimeError("the probe has opened no socket")
        return self._socket

    async def _send(self, frames: tuple[str | bytes, ...], seconds: float) -> None:
        """Send the frames. If the connection has ended, the next Receive reports it."""
        with contextlib.suppress(ConnectionClosed):
            for frame in frames:
                await self._open_socket.send(frame)
                if seconds:
                    await asyncio.sleep(seconds)

    async def _receive(self, seconds: float) -> str | Closed | None:
        try:
            async with asyncio.timeout(seconds):
                frame = await self._open_socket.recv()
        except TimeoutError:
            return None
        except ConnectionClosed as exc:
            return Closed(exc.rcvd.code, exc.rcvd.reason) if exc.rcvd else Closed(NO_CODE)
        return frame if isinstance(frame, str) else frame.decode(errors="replace")

    async def _ping(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            self._pong = await self._open_socket.ping()

    async def _ponged(self, seconds: float) -> bool:
        if self._pong is None:
            return False
        with contextlib.suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(seconds):
                await self._pong
            return True
        return False

    async def _close(self) -> None:
        socket, self._socket, self._pong = self._socket, None, None
        if socket is not None:
            await socket.close()


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[httpx2.AsyncClient]:
    """Yield an HTTP client. Raises SettingsError for a proxy or certificates that cannot be used."""
    with http.checked_environment():
        client = httpx2.AsyncClient(
            verify=_certificates(),
            timeout=ANSWER,
            headers={"user-agent": AGENT},
            follow_redirects=False,
        )
    async with client:
        yield client


@functools.cache
def _certificates() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


def _content(call: Call) -> bytes | None:
    parts = []
    for part in call.body:
        if isinstance(part, bytes):
            parts.append(part)
        else:
            data = part.path.read_bytes()
            parts.append(pybase64.b64encode(data) if part.base64 else data)
    return b"".join(parts) or None
