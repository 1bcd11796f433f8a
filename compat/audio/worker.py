"""Worker processes for untrusted media. If one crashes, hangs or exceeds its memory, only one request fails.

    run(queue, function, …)      one result, from a pool of `processes`
    iterate(party, function, …)  the items of an iterator on demand, from a separate process, so that hours of audio do
                                 not delay short requests; at most `processes` at a time

The semaphores that admit calls are passed in by the caller, so that one client's files cannot occupy all processes.
Long and short work have separate queues, so that short work does not wait for long work.

Functions are pickled by name and must be annotated: results are validated against the return type. The environment,
which may contain keys, is not passed to the processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import pickle
import socket
import struct
import subprocess
import typing
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple, ParamSpec, TypeAlias, TypeVar, cast

import msgspec

from compat import processes as children
from compat.audio.child import NEXT, Kind
from compat.config.principal import Party
from compat.errors import BadAudio, BudgetSpent, Failure, ServiceUnavailable, error

P = ParamSpec("P")
T = TypeVar("T")
Turns: TypeAlias = Callable[[Party], contextlib.AbstractAsyncContextManager[None]]

_BOOT = "from compat.audio.child import serve; serve(int(sys.argv[1]))"
_LARGEST = 64 << 20  # bytes of one result
MEMORY = 1 << 30  # bytes of address space of a process


def in_order(_: str, count: int) -> Turns:
    """Return a semaphore that admits `count` calls at a time, in order of arrival."""
    free = asyncio.Semaphore(count)
    return lambda _: free


class WorkerQueue(NamedTuple):
    """The queue in which a call of `party` waits for a process: for `long` or short work, for at most `patience`
    seconds."""

    party: Party
    long: bool = False
    patience: float | None = None


class Worker:
    """A pool of worker processes. `seconds` is the timeout for one result. `turns` is called with the name of a
    queue and the number of processes and returns a semaphore: a function from a party to the context in which its call
    uses a process."""

    def __init__(
        self,
        processes: int = 1,
        *,
        seconds: float = 120,
        turns: Callable[[str, int], Turns] = in_order,
    ) -> None:
        self._seconds = seconds
        self._processes = processes
        self._pool = turns("media", processes)
        self._long = turns("long media", processes)
        self._apart = turns("media in pieces", processes)
        self._children: set[_Child] = set()
        self._idle: list[_Child] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(self, queue: WorkerQueue, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in a worker process, after waiting in `queue`. Cancelling the call kills the process.

        Raises the CompatError that `function` raises, BadAudio if it crashes the process or times out, and BudgetSpent
        if the wait exceeds the queue's patience.
        """
        async with self._turn(queue):
            child = await self._child()
            try:
                kind, body = await self._ask(child, pickle.dumps((function, args, kwargs)))
            except BaseException:
                self._end(child)
                raise
            if child in self._children and len(self._idle) < self._processes:
                self._idle.append(child)
            else:
                self._end(child)
        return cast("T", _decoded(kind, body, function))

    async def iterate(
        self, party: Party, function: Callable[P, Iterator[T]], *args: P.args, **kwargs: P.kwargs
    ) -> AsyncGenerator[T, None]:
        """Iterate over `function` for `party` in a separate process, which computes each item on demand.

        Close the iterator (contextlib.aclosing) if you leave it early. Raises as `run` does.
        """
        async with self._apart(party):
            child = await self._started()
            try:
                frame = pickle.dumps((function, args, kwargs))
                while (answer := await self._ask(child, frame))[0] is not Kind.END:
                    yield cast("T", _decoded(*answer, function))
                    frame = NEXT
            finally:
                self._end(child)

    async def close(self) -> None:
        """Kill all processes, including busy ones, and wait for them to exit."""
        self._closed = True
        self._idle.clear()
        for child in list(self._children):
            self._end(child)
        while self._ending:
            await asyncio.gather(*self._ending)

    @contextlib.asynccontextmanager
    async def _turn(self, queue: WorkerQueue) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(queue.patience):
                    await stack.enter_async_context((self._long if queue.long else self._pool)(queue.party))
            except TimeoutError:
                message = "Too many of your files are being processed."
                raise BudgetSpent(message, retry_after=queue.patience) from None
            yield

    async def _child(self) -> _Child:
        while self._idle:
            child = self._idle.pop()
            if child.process.poll() is None:
                return child
            self._end(child)
        return await self._started()

    async def _started(self) -> _Child:
        child = await _Child.start()
        self._children.add(child)
        if self._closed:
            self._end(child)
            raise ServiceUnavailable("The server is shutting down.")
        return child

    async def _ask(self, child: _Child, frame: bytes) -> tuple[Kind, bytes]:
        try:
            async with asyncio.timeout(self._seconds):
                return await child.ask(frame)
        except TimeoutError as exc:
            raise BadAudio("The file could not be read: decoding takes too long.") from exc
        except (EOFError, ConnectionError, ValueError) as exc:
            raise BadAudio("The file could not be read: it breaks the decoder.") from exc

    def _end(self, child: _Child) -> None:
        self._children.discard(child)
        task = asyncio.create_task(child.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


class _Child:
    """A worker process, and the socket that is its standard input and output."""

    def __init__(
        self, process: subprocess.Popen[bytes], answers: asyncio.StreamReader, calls: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self._calls = calls
        self._answers = answers

    @classmethod
    async def start(cls) -> _Child:
        process, connection = _spawned()
        return cls(process, *await asyncio.open_connection(sock=connection))

    async def ask(self, frame: bytes) -> tuple[Kind, bytes]:
        self._calls.write(struct.pack(">I", len(frame)) + frame)
        await self._calls.drain()
        size = struct.unpack(">I", await self._answers.readexactly(4))[0]
        if not 0 < size <= _LARGEST:
            raise ValueError("a result of invalid length")
        answer = await self._answers.readexactly(size)
        return Kind(answer[0]), answer[1:]

    async def end(self) -> None:
        self.process.kill()
        self._calls.close()
        await asyncio.to_thread(self.process.wait)


def _spawned() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a process and return it with the socket to it.

    The event loop's own subprocesses are not used, because uvloop runs Python's fork handlers in the child before it
    executes the program. OpenTelemetry registers handlers that start threads and wait for locks, which may never be
    released there.
    """
    server_end, child_end = socket.socketpair()
    with child_end:
        process = subprocess.Popen(  # noqa: S603 - this program's own command
            children.python(_BOOT, str(MEMORY)),
            stdin=child_end.fileno(),
            stdout=child_end.fileno(),
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath},  # pydub fails without PATH
            start_new_session=True,  # Ctrl-C must reach the server only, which then kills its children
        )
    return process, server_end


def _decoded(kind: Kind, body: bytes, function: Callable[..., object]) -> object:
    match kind:
        case Kind.RESULT | Kind.ITEM:
            return _checked(body, _returned(function))
        case Kind.FAILED:
            raise error(_checked(body, Failure), unknown=BadAudio)
        case Kind.END:
            raise BadAudio("The file could not be read: it breaks the decoder.")
        case _:
            typing.assert_never(kind)


def _checked(body: bytes, expected: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(body, type=expected, dec_hook=_path)
    except msgspec.MsgspecError as exc:
        raise BadAudio("The file could not be read: it breaks the decoder.") from exc


@functools.cache
def _returned(function: Callable[..., object]) -> type[object]:
    """Return the type of a function's result, or of one item if it returns an iterator."""
    expected = typing.get_type_hints(function)["return"]
    item = typing.get_args(expected)[0] if typing.get_origin(expected) is Iterator else expected
    return cast("type[object]", item)


def _path(expected: type[object], value: object) -> Path:
    if issubclass(expected, PurePath) and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(expected)
