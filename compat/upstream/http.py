"""DashScope over HTTP: performs Calls, with timeouts and bounded retries.

Only this module uses the HTTP client and translates its exceptions.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.request import getproxies

import httpx2
import pybase64
import stamina

from compat.catalogue.rates import POLICY, QUERY
from compat.config.principal import Principal
from compat.config.variables import SettingsError
from compat.dashscope_api.calls import Call, File, Reply
from compat.dashscope_api.faults import fault
from compat.dashscope_api.filetrans import cancel
from compat.errors import (
    AnswerCutOff,
    BudgetSpent,
    CircuitOpen,
    CompatError,
    RateLimited,
    ServiceFailed,
    ServiceTimedOut,
    ServiceUnavailable,
)
from compat.upstream.advice import advised
from compat.upstream.answers import DirectAnswer, UnreadAnswer, decoded
from compat.upstream.budget import Budget
from compat.upstream.direct import DirectTransport, origin_of
from compat.upstream.guard import UNTRACED, Guard, surface
from compat.upstream.lag import LoopLag
from compat.upstream.parsing import RequestHead
from compat.upstream.pools import EACH, Pools

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

BLOCK = 192 << 10
"""Bytes of a file that are encoded and sent at a time: few enough to stay in a processor's cache between the two, and a
multiple of 3, so that base64 blocks join without padding."""
PATIENCE = 20.0  # longest `retry-after` in seconds that is waited for; a longer one is passed on to the client
ANSWER, RESULT, REFUSAL = 8 << 20, 256 << 20, 64 << 10
"""Bytes of a response: of an API, of a result file or a stream, and of an error. 12 hours of speech in words take about
50 MiB."""
EXPIRY = 30.0  # seconds for which an idle connection is kept
GOODBYE = 5.0  # timeout in seconds for cancelling a task

# Raised before the request has reached the service, so that repeating it is always safe.
UNREACHED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


def translated(exc: httpx2.HTTPError | httpx2.InvalidURL | OSError, name: str = "DashScope") -> CompatError:
    """Return the CompatError for an exception of the HTTP client. Its message contains no addresses."""
    if isinstance(exc, httpx2.PoolTimeout):
        return ServiceUnavailable(f"All connections to {name} are busy.", retry_after=1.0)
    if isinstance(exc, UNREACHED):
        return ServiceUnavailable(f"{name[:1].upper()}{name[1:]} cannot be reached ({type(exc).__name__}).")
    if isinstance(exc, httpx2.TimeoutException):
        return ServiceTimedOut(f"{name[:1].upper()}{name[1:]} did not answer in time.")
    return ServiceFailed(f"The connection to {name} was lost ({type(exc).__name__}).")


@contextlib.contextmanager
def checked_environment() -> Iterator[None]:
    """Translate errors in the standard proxy and certificate variables to SettingsError. Its message omits the values,
    because addresses of proxies may contain passwords."""
    socks = any(address.startswith("socks") for address in getproxies().values())
    if socks and not all(map(importlib.util.find_spec, ("socksio", "python_socks"))):
        raise SettingsError(
            "HTTPS_PROXY or ALL_PROXY names a SOCKS proxy, which needs two packages: pip install socksio python-socks."
        )
    try:
        yield
    except (httpx2.InvalidURL, ValueError):
        raise SettingsError("HTTPS_PROXY or ALL_PROXY should be an address such as http://127.0.0.1:3128.") from None
    except OSError as exc:
        raise SettingsError("SSL_CERT_FILE should be a file of certificates in PEM.") from exc


class Translating:
    """A context that translates exceptions of the HTTP client. `name` is the service's name in errors."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, exc: BaseException | None, __: object) -> None:
        if isinstance(exc, httpx2.HTTPError | httpx2.InvalidURL | ssl.SSLError):
            raise translated(exc, self._name) from exc


class Attempt(Protocol[T_co]):
    """Performs a call once. `first` is false for a repetition."""

    async def __call__(self, *, first: bool) -> T_co: ...


class _Client(httpx2.AsyncClient):
    """Sends requests with DirectTransport, except those for which the environment names a proxy."""

    def __init__(self, verify: ssl.SSLContext, timeout: httpx2.Timeout, socket: str | None) -> None:
        self._direct = DirectTransport(verify, keepalive=EACH, expiry=EXPIRY, uds=socket)
        super().__init__(
            verify=verify,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=EACH, keepalive_expiry=EXPIRY),
            timeout=timeout,
            headers={"user-agent": "qwen-asr-compat"},
            follow_redirects=False,
            trust_env=socket is None,
        )
        self._transport = self._direct  # as an argument it would also replace the proxies
        self._timeouts = timeout.as_dict()
        self._usual = [(name.encode(), value.encode()) for name, value in self.headers.items()]

    async def ask(self, call: Call, url: httpx2.URL, headers: dict[str, str]) -> UnreadAnswer:
        """Send the request, and return the response with its body unread. Raises httpx2's errors.

        Without a proxy, httpx2's own objects are not built: that takes longer than the exchange."""
        timeouts = self._timeouts if call.within is None else {**self._timeouts, "read": call.within}
        if self._transport_for_url(url) is not self._direct:
            content = _content(call) if call.body else None
            timeout = httpx2.Timeout(**timeouts)
            request = self.build_request(call.method, url, headers=headers, content=content, timeout=timeout)
            return await self.send(request, stream=True)
        given = [(name.encode(), value.encode()) for name, value in headers.items()]
        head = RequestHead(call.method, url.raw_path, [(b"Host", url.netloc), *self._usual, *given])
        return DirectAnswer(await self._direct.exchange(origin_of(url), head, _blocks(call), timeouts))


class Service:
    """DashScope at the address `root`; `name` is its name in errors. Every method may raise any CompatError."""

    def __init__(
        self,
        root: str,
        *,
        connect_timeout: float,
        answer_timeout: float,
        attempts: int,
        budget: Budget | None = None,
        guard: Guard | None = None,
        lag: LoopLag | None = None,
        name: str = "DashScope",
        socket: str | None = None,
    ) -> None:
        """`budget` limits the rate of calls, `guard` counts and breaks them; both are optional. `socket` is the path of
        a local engine's Unix socket, used instead of the network. A local engine costs nothing, so every call to it may
        be repeated. Raises SettingsError."""
        self._free = socket is not None
        self._root = root.rstrip("/")
        with checked_environment():
            verify = httpx2.create_ssl_context()
            timeout = httpx2.Timeout(answer_timeout, connect=connect_timeout, pool=answer_timeout)
            self._pools = Pools(lambda: _Client(verify, timeout, socket))
        self._attempts = attempts
        self._budget = budget
        self._guard = guard
        self._connect_timeout = connect_timeout
        self._lag = lag or LoopLag()
        self._translating = Translating(name)

    async def close(self) -> None:
        await self._pools.close()

    async def send(self, call: Call, principal: Principal) -> Reply:
        """Perform `call` and return the complete response. Raises the error that a refusal stands for."""
        async with self._slot(call, principal), self._pools.client() as client:

            async def ask(*, first: bool) -> Reply:
                return await self._reply(call, await self._permitted(client, call, principal, first=first))

            return await self._repeated(call, ask)

    async def _reply(self, call: Call, response: UnreadAnswer) -> Reply:
        try:
            with self._translating:
                body = b"".join([chunk async for chunk in _chunks(response, ANSWER if call.key else RESULT)])
        finally:
            await response.aclose()
        return Reply(status=response.status_code, body=body, headers=dict(response.headers))

    async def stream(self, call: Call, principal: Principal) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the response as they arrive. Close the generator to disconnect. Raises AnswerCutOff if the
        response ends early."""
        async with self._answered(call, principal) as response:
            try:
                with self._translating:
                    async for chunk in _chunks(response, RESULT):
                        yield chunk
            except ServiceFailed as exc:
                raise AnswerCutOff(exc.message) from exc

    async def attempt(self, work: Callable[[Account], Awaitable[T]], principal: Principal) -> T:
        """Run `work` with this service's only account. See `Fallback.attempt`."""
        return await work(Account(self, principal))

    def account(self, task_id: str, principal: Principal) -> tuple[Account, str]:
        """Return the account that a task was submitted to, and the task's id there."""
        return Account(self, principal), task_id

    def _address(self, call: Call) -> httpx2.URL:
        return _joined(self._root, call.url) if call.url.startswith("/") else httpx2.URL(call.url)

    def _slot(self, call: Call, principal: Principal) -> contextlib.AbstractAsyncContextManager[None]:
        return self._budget.slot(principal.party) if self._budget and call.rate else contextlib.nullcontext()

    @contextlib.asynccontextmanager
    async def _answered(self, call: Call, principal: Principal) -> AsyncIterator[UnreadAnswer]:
        """Open the response to `call`, with its body unread. Raises the error that a refusal stands for."""
        async with self._slot(call, principal), self._pools.client() as client:
            response = await self._opened(client, call, principal)
            try:
                yield response
            finally:
                await response.aclose()

    async def _opened(self, client: _Client, call: Call, principal: Principal) -> UnreadAnswer:
        return await self._repeated(call, functools.partial(self._permitted, client, call, principal))

    async def _repeated(self, call: Call, ask: Attempt[T]) -> T:
        """Return what `ask` returns, and repeat it after a failure that allows this."""
        try:
            return await ask(first=True)
        except CompatError as exc:
            failure = exc
        async for attempt in self._attempts_of(call):
            with attempt:
                if attempt.num == 1:  # stamina's preparations take longer than an attempt that succeeds
                    raise failure
                return await ask(first=False)
        raise AssertionError("stamina returns or raises")

    def _attempts_of(self, call: Call) -> AsyncIterator[stamina.Attempt]:
        # The iterator is in a reference cycle, which must not keep the call's audio in memory.
        return stamina.retry_context(
            on=functools.partial(_backoff, repeatable=call.repeatable or self._free),
            attempts=self._attempts,
            timeout=None,
            wait_initial=0.2,
            wait_max=5.0,
            wait_jitter=0.2,
        )

    async def _permitted(self, client: _Client, call: Call, principal: Principal, *, first: bool) -> UnreadAnswer:
        if self._budget:
            await self._budget.turn(call.rate, principal)
        with self._guard.call(surface(call), first=first) if self._guard else UNTRACED as traced:
            if principal.meter is None or call.rate in ("", QUERY, POLICY):
                return await self._attempt(client, call, principal, traced)
            with principal.meter.sending():
                return await self._attempt(client, call, principal, traced)

    async def _attempt(
        self, client: _Client, call: Call, principal: Principal, traced: Mapping[str, str]
    ) -> UnreadAnswer:
        """Send the request once. The tracing headers `traced` go only where the key goes: to DashScope itself."""
        headers = dict(call.headers)
        if call.method != "GET":
            headers["content-length"] = str(call.length)
        if call.key:
            headers.update(traced, authorization=f"Bearer {principal.key}")
        with self._translating:
            with self._lag.translate_timeouts(self._connect_timeout, httpx2.ConnectTimeout):
                response = await client.ask(call, self._address(call), headers)
            if response.status_code < 300:
                return response
            try:
                body = await _start(response, REFUSAL)
            finally:
                await response.aclose()
        error = fault(response.status_code, body, response.headers)
        if error is not None:
            model = "" if call.rate in (QUERY, POLICY) else call.rate
            raise advised(error, model, self._root)
        return decoded(response, body)  # DashScope reports silence as a 400, which is not an error


class Account:
    """One account of the service, and the progress of a task in it. A task stays in the account that it began in."""

    def __init__(self, service: Service, principal: Principal, mark: str = "", *, last: bool = True) -> None:
        """`mark` distinguishes the ids of this account's tasks from those of the first account. `last` is false if
        another account is tried when this one fails."""
        self.last = last
        self._service = service
        self._principal = principal
        self._mark = mark
        self.submitting = False
        """Whether a task may have been submitted: the submitting call is under way or has failed."""
        self.submitted = False

    async def send(self, call: Call) -> Reply:
        self.submitting = not call.repeatable
        return await self._service.send(call, self._principal)

    async def cancel(self, task_id: str) -> None:
        """Ask the service to cancel a task, which only works for tasks that have not started. Raises no errors."""
        with contextlib.suppress(CompatError, TimeoutError):  # the task may have started or ended
            async with asyncio.timeout(GOODBYE):
                await self.send(cancel(task_id))

    def id(self, task_id: str) -> str:
        """Return the task's id for `Service.account` and `Fallback.account`, with the account's mark."""
        return self._mark + task_id


@functools.lru_cache(maxsize=64)
def _joined(root: str, path: str) -> httpx2.URL:
    """Join an address, cached: the client would parse it twice, which takes as long as opening a file."""
    return httpx2.URL(root + path)


def _backoff(exc: Exception, *, repeatable: bool) -> bool | float:
    """Return whether to retry, or the seconds after which to retry."""
    again = (
        isinstance(exc, CompatError)
        and exc.retryable
        and not isinstance(exc, ServiceTimedOut | BudgetSpent | CircuitOpen)
    )
    if not again or not (repeatable or isinstance(exc, RateLimited | ServiceUnavailable)):
        return False
    if isinstance(exc, CompatError) and exc.retry_after is not None:
        return exc.retry_after if exc.retry_after <= PATIENCE else False
    return True


async def _chunks(response: UnreadAnswer, most: int) -> AsyncGenerator[bytes, None]:
    """Yield the decompressed body. Raises ServiceFailed beyond `most` bytes."""
    size = 0
    async with contextlib.aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise ServiceFailed(f"DashScope's response is longer than {most >> 10} KiB.")
            yield chunk


async def _start(response: UnreadAnswer, most: int) -> bytes:
    """Return the decompressed body, or its first `most` bytes."""
    body = bytearray()
    async with contextlib.aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) >= most:
                break
    return bytes(body[:most])


async def _content(call: Call) -> AsyncIterator[bytes]:
    """Yield the request body. It is only built once a connection is open, so waiting requests take no memory."""
    for block in _blocks(call):
        yield block


def _blocks(call: Call) -> Iterator[bytes]:
    for part in call.body:
        if isinstance(part, bytes):
            yield part
        else:
            yield from _file(part)


def _file(file: File) -> Iterator[bytes]:
    for block in _held(file.audio) if file.audio else _read(file.path):
        yield pybase64.b64encode(block) if file.base64 else bytes(block)


def _held(audio: memoryview) -> Iterator[bytes | memoryview]:
    return (audio[start : start + BLOCK] for start in range(0, len(audio), BLOCK))


def _read(path: Path) -> Iterator[bytes | memoryview]:
    with path.open("rb") as source:
        while block := source.read(BLOCK):
            yield block
