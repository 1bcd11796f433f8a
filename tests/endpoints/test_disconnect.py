from __future__ import annotations

import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from compat.endpoints.disconnect import while_connected


class Client:
    """A client that disconnects when `gone` is set."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def answer() -> str:
    return "done"


async def fail() -> str:
    raise ValueError("no")


async def test_the_result_of_the_work_is_returned() -> None:
    assert "done" == await while_connected(Client().receive, answer())


async def test_an_exception_of_the_work_is_raised() -> None:
    with pytest.raises(ValueError, match="no"):
        await while_connected(Client().receive, fail())


async def test_the_work_is_cancelled_when_the_client_disconnects() -> None:
    client, ended = Client(), asyncio.Event()

    async def work() -> None:
        client.gone.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ClientDisconnect):
        await while_connected(client.receive, work())

    assert ended.is_set()


async def test_the_work_is_cancelled_with_the_request() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(while_connected(Client().receive, work()))
    await started.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert ended.is_set()


async def test_cancellation_wins_over_a_simultaneous_disconnect() -> None:
    client = Client()

    async def work() -> None:
        client.gone.set()
        try:
            await asyncio.Event().wait()
        finally:
            waiting.cancel()

    waiting = asyncio.create_task(while_connected(client.receive, work()))
    with pytest.raises(asyncio.CancelledError):
        await waiting
