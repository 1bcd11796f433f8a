"""A caller who does not wait for the answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import openai


def hang_up(base_url: str, when: Callable[[], object], *, api_key: str = "anything", **asked: Any) -> None:  # noqa: ANN401 - the SDK's own
    """Asks for a transcript and goes without it as soon as `when` holds, before the answer."""
    asyncio.run(_hang_up(base_url, when, api_key, asked))


async def _hang_up(base_url: str, when: Callable[[], object], api_key: str, asked: dict[str, Any]) -> None:
    async with openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0) as client, asyncio.timeout(60):
        asking = asyncio.create_task(client.audio.transcriptions.create(**asked))
        while not when():
            assert not asking.done(), asking
            await asyncio.sleep(0.02)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
