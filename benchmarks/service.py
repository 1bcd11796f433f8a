"""The statistics of the service stub."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.load import Client

COMPLETIONS = "/compatible-mode/v1/chat/completions"


async def seen(port: int) -> dict[str, Any]:
    """Return the `counts` of requests by path, the `size` of the last body and the moments of `queries` for tasks."""
    async with Client(port) as client:
        _, body = await client.ask(b"GET /stub HTTP/1.1\r\nhost: localhost\r\n\r\n")
    statistics: dict[str, Any] = json.loads(body)
    return statistics
