"""A client that disconnects before the response."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import openai


def hang_up(base_url: str, wait: Callable[[], object], *, api_key: str = "anything", **asked: Any) -> None:  # noqa: ANN401 - the SDK's own
    """Request a transcript, and disconnect when `wait` returns. Fail if the response arrives first."""
    asyncio.run(_hang_up(base_url, wait, api_key, asked))


async def _hang_up(base_url: str, wait: Callable[[], object], api_key: str, asked: dict[str, Any]) -> None:
    async with openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0) as client, asyncio.timeout(60):
        asking = asyncio.create_task(client.audio.transcriptions.create(**asked))
        waiting = asyncio.create_task(asyncio.to_thread(wait))
        await asyncio.wait({asking, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert not asking.done(), asking
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        await waiting
