from __future__ import annotations

import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from compat.endpoints.disconnect import while_connected


class Line:
    """A caller who hangs up when told to."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def answer() -> str:
    return "done"


async def fail() -> str:
    raise ValueError("no")


async def test_what_the_work_returns_is_returned() -> None:
    assert "done" == await while_connected(Line().receive, answer())


async def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="no"):
        await while_connected(Line().receive, fail())


async def test_the_work_ends_when_the_caller_hangs_up() -> None:
    line, ended = Line(), asyncio.Event()

    async def work() -> None:
        line.gone.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ClientDisconnect):
        await while_connected(line.receive, work())

    assert ended.is_set()


async def test_the_work_ends_when_the_waiting_is_cancelled() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(while_connected(Line().receive, work()))
    await started.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert ended.is_set()


async def test_who_hangs_up_and_is_cancelled_at_once_is_cancelled() -> None:
    line = Line()

    async def work() -> None:
        line.gone.set()
        try:
            await asyncio.Event().wait()
        finally:
            waiting.cancel()

    waiting = asyncio.create_task(while_connected(line.receive, work()))
    with pytest.raises(asyncio.CancelledError):
        await waiting
