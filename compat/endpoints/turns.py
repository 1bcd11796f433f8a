"""One after the other: what many requests would do at the same moment is spread over the loop's turns, so that whatever
else has come, a question for the server's health or a live frame, waits for one of them and not for all."""

from __future__ import annotations

import asyncio


class Turns:
    def __init__(self) -> None:
        self._taken = asyncio.Lock()

    async def mine(self) -> None:
        """Returns at once, or when those before have had a turn of the loop each."""
        await self._taken.acquire()
        asyncio.get_running_loop().call_soon(self._taken.release)
