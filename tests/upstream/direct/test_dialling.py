"""Addresses of a name are tried one after the other, with little delay if one of them does not answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from compat.upstream.dialling import Entry, dial, race


@contextlib.contextmanager
def listening() -> Iterator[Entry]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield socket.AF_INET, socket.SOCK_STREAM, 0, "", server.getsockname()


@contextlib.contextmanager
def unanswering() -> Iterator[Entry]:
    """Yield an address that answers no connection: its backlog is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            connecting = stack.enter_context(socket.socket())
            connecting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                connecting.connect(server.getsockname())
        yield socket.AF_INET, socket.SOCK_STREAM, 0, "", server.getsockname()


REFUSING: Entry = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 9))
NO_ROUTE: Entry = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("100::1", 9, 0, 0))  # RFC 6666


async def test_the_first_address_that_answers_is_used() -> None:
    with listening() as good, unanswering() as slow:
        for entries in ([good], [REFUSING, good], [NO_ROUTE, good], [good, slow], [slow, good], [slow, slow, good]):
            with await race(entries) as opened:
                assert good[4] == opened.getpeername()


async def test_a_name_is_resolved() -> None:
    with listening() as good, await dial("localhost", good[4][1]) as opened:  # type: ignore[arg-type]
        assert good[4] == opened.getpeername()


async def test_if_no_address_answers_the_first_error_is_raised() -> None:
    with pytest.raises(ConnectionRefusedError):
        await race([REFUSING, REFUSING])


async def test_a_cancelled_race_leaves_no_socket_open() -> None:
    with unanswering() as slow:
        racing = asyncio.create_task(race([slow, slow]))
        await asyncio.sleep(0)
        racing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await racing
