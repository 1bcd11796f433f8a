"""ASGI app of one HTTP surface: authorises, counts and records a request, and applies faults, before its handler."""

from __future__ import annotations

import asyncio
import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from compat.emulator import refusals
from compat.emulator.bodies import HeldBody
from compat.emulator.faults import (
    Answer,
    Break,
    Cut,
    Expire,
    FailFile,
    FailTask,
    Fault,
    Hang,
    Live,
    Refuse,
    Slow,
    SurfaceName,
)
from compat.emulator.refusals import Refusal, Shape
from compat.emulator.state import Emulator, RequestRecord

T = TypeVar("T")
log = logging.getLogger("dashscope.emulator")
UNREADABLE = "Required body invalid, please check the request body format."
UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # raised by msgspec for a body
HELP = "For details, see: https://help.aliyun.com/zh/model-studio/error-code#apikey-error"


class ApiCall(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a surface. `body` is the decoded JSON, where `read` is true."""

    emulator: Emulator
    request: Request
    surface: SurfaceName
    body: object
    read: bool
    fault: Fault | None
    id: str

    @property
    def account(self) -> str:
        """Each key is a separate account, unless the reading `one_account` is set."""
        return "" if self.emulator.readings.one_account else bearer(self.request)

    @property
    def base_url(self) -> str:
        """The public root URL, without a trailing slash."""
        return (self.emulator.site.public_url or str(self.request.base_url)).rstrip("/")

    def flag(self, header: str) -> bool:
        """Whether a DashScope header is `enable`."""
        return self.request.headers.get(header, "").strip().lower() == "enable"

    @property
    def streams(self) -> bool:
        """Whether a native response is streamed: either header requests it (guide to calling by HTTP, 2026)."""
        return self.flag("x-dashscope-sse") or "text/event-stream" in self.request.headers.get("accept", "").lower()

    def decode(self, kind: type[T]) -> T:
        """Decode the body. Null members count as missing, because many programs send null for their defaults."""
        try:
            return msgspec.convert(_given(self.body), kind)
        except UNDECODABLE as exc:
            raise refusals.invalid(UNREADABLE) from exc

    def require(self, *parameters: str) -> None:
        """Raise Refusal when a member of the native body is missing."""
        if not isinstance(self.body, dict):
            raise refusals.invalid(UNREADABLE)
        for parameter in parameters:
            if self.body.get(parameter) in (None, ""):
                raise refusals.empty(parameter)


def _given(body: object) -> object:
    if isinstance(body, dict):
        return {name: _given(value) for name, value in body.items() if value is not None}
    return [_given(value) for value in body] if isinstance(body, list) else body


Handle = Callable[[ApiCall], Awaitable[Response]]


class _Severed(Exception):
    """The connection must be closed here."""


class Surface:
    """An ASGI app around `handle`.

    `name` may depend on the body (Qwen-MT shares a path with ASR). `describe` makes the record of a request. `methods`:
    accepted HTTP methods. `key`: whether an API key is needed. `reads`: whether the body is JSON.
    """

    def __init__(
        self,
        emulator: Emulator,
        name: SurfaceName | Callable[[object], SurfaceName],
        handle: Handle,
        *,
        methods: tuple[str, ...] = ("POST",),
        shape: Shape = refusals.native,
        describe: Callable[[ApiCall], RequestRecord] | None = None,
        key: bool = True,
        reads: bool = False,
    ) -> None:
        self._emulator = emulator
        self._name = name
        self._handle = handle
        self._methods = methods
        self._shape = shape
        self._describe = describe or describe_query
        self._key = key
        self._reads = reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request_id = str(uuid.uuid4())
        with self._emulator.bodies.body() as body:
            await self._respond(request, request_id, body, send)

    async def _respond(self, request: Request, request_id: str, body: HeldBody, send: Send) -> None:
        scope, receive = request.scope, request.receive
        try:
            response = await self._answer(request, request_id, body)
        except Refusal as refusal:
            response = self._shape(refusal, request_id)
        except _Severed:
            return
        except ClientDisconnect:
            raise  # the app logs it
        except Exception:
            log.exception("a request failed: %s", request_id)
            response = self._shape(refusals.failed(), request_id)
        response.headers["x-request-id"] = request_id
        fault: Fault | None = scope.get("emulator.fault")
        try:
            await response(scope, receive, cutting(send, fault.after) if isinstance(fault, Cut) else send)
        except _Severed:
            return  # the server closes a connection with an incomplete response

    async def _answer(self, request: Request, request_id: str, part: HeldBody) -> Response:
        """Return the response. A request without a key is refused before its body is read, and is not counted."""
        if request.method not in self._methods:
            raise refusals.not_supported(request.method)
        if self._key:
            authorise(request, self._emulator.keys)
        body = await self._read(request, part) if self._reads else None
        name = self._name if isinstance(self._name, str) else self._name(body)
        self._emulator.counts[name] += 1
        fault = self._emulator.faults.take(name)
        request.scope["emulator.fault"] = fault
        call = ApiCall(
            emulator=self._emulator,
            request=request,
            surface=name,
            body=body,
            read=self._reads,
            fault=fault,
            id=request_id,
        )
        self._emulator.requests.append(self._describe(call))
        if (forced := await strike(call)) is not None:
            return forced
        return await self._handle(call)

    async def _read(self, request: Request, part: HeldBody) -> object:
        whole = bytearray()
        async for chunk in request.stream():
            whole += chunk
            part.grow(len(chunk))
            if len(whole) > self._emulator.limits.body_bytes:
                raise Refusal(400, "BadRequest.TooLarge", "Payload Too Large", compat="invalid_parameter_error")
        try:
            return msgspec.json.decode(bytes(whole))
        except UNDECODABLE as exc:
            raise refusals.invalid(UNREADABLE) from exc


def describe_query(call: ApiCall) -> RequestRecord:
    """Return the record of a request without a body: its query."""
    query = dict(call.request.query_params)
    return RequestRecord(
        surface=call.surface, model=query.pop("model", ""), parameters=query, headers=own_headers(call.request)
    )


def own_headers(request: HTTPConnection) -> dict[str, str]:
    """Return DashScope's headers, which hold switches and never keys."""
    return {name: value for name, value in request.headers.items() if name.startswith("x-dashscope-")}


def bearer(request: HTTPConnection) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def authorise(request: Request, keys: frozenset[str] | None) -> None:
    """Raise Refusal for a missing or unknown key. `keys` None: any key is accepted."""
    refusal = unauthorised(request, keys)
    if refusal is not None:
        raise refusal


def unauthorised(request: HTTPConnection, keys: frozenset[str] | None, key: str = "") -> Refusal | None:
    """Return the refusal for a missing or unknown key, or None. `key` is one that was not sent in the header."""
    key = bearer(request) or key
    if not key:
        message = (
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY). "
        )
        return Refusal(401, "InvalidApiKey", "No API-key provided.", compat="", compat_message=message)
    if keys is not None and not any(hmac.compare_digest(key.encode(), known.encode()) for known in keys):
        message = f"Incorrect API key provided. {HELP}"
        return Refusal(
            401, "InvalidApiKey", "Invalid API-key provided.", compat="invalid_api_key", compat_message=message
        )
    return None


async def strike(call: ApiCall) -> Response | None:
    """Apply a fault that replaces the response; handlers apply the others."""
    match call.fault:
        case Refuse(status, code, message, retry_after):
            await drain(call)
            raise Refusal(status, code, message, retry_after=retry_after)
        case Answer(body, status, content_type):
            await drain(call)
            return Response(body, status, media_type=content_type)
        case Hang(seconds):
            if seconds is not None:
                completed = await call.emulator.hold(asyncio.sleep(seconds))
            else:
                await drain(call)
                completed = await call.emulator.hold(disconnected(call.request))
            if not completed:
                raise refusals.stopping()
            if seconds is None:
                raise _Severed
            return None
        case None | Cut() | Break() | FailTask() | FailFile() | Slow() | Expire() | Live():
            return None


async def disconnected(request: Request) -> None:
    """Return when the client has disconnected."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def drain(call: ApiCall) -> None:
    """Read an unread upload to its end, so that its client gets the response rather than a broken pipe."""
    if not call.read:
        async for _ in call.request.stream():
            pass


def cutting(send: Send, after: int) -> Send:
    """Send `after` bytes of the body, then close the connection. The headers announce it: after a response without a
    body the client would otherwise reuse the connection."""
    left = after

    async def cut(message: Message) -> None:
        nonlocal left
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        if message["type"] == "http.response.body":
            part = message.get("body", b"")[:left]
            ends = len(part) < len(message.get("body", b"")) or not message.get("more_body", False)
            left -= len(part)
            await send({"type": "http.response.body", "body": part, "more_body": True})
            if ends or left <= 0:
                raise _Severed
            return
        await send(message)

    return cut
