"""Recordings of `transcribe` at URLs, which are downloaded first: any server can then transcribe them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx2

from compat.cli.client import CommandFailed

LARGEST: Final = 2 << 30  # bytes: the most that a server accepts
_NUMBER: Final = re.compile(r"\[Errno -?\d+\] ")
WAIT_S: Final = 30.0  # for a connection, and for the next bytes


async def download(url: str, target: Path, arrived: Callable[[int, int], None]) -> None:
    """Write the file at `url` to `target`. `arrived` is called with the bytes so far, and in all (0 if unknown).

    Raises CommandFailed, and OSError if the file cannot be written.
    """
    try:
        async with (
            httpx2.AsyncClient(follow_redirects=True, timeout=WAIT_S) as client,
            client.stream("GET", url, headers={"accept": "audio/*, video/*, */*;q=0.5"}) as answer,
        ):
            if answer.status_code != 200:
                raise CommandFailed(f"The download failed with status {answer.status_code}.")
            whole, size = int(answer.headers.get("content-length") or 0), 0
            with target.open("wb") as file:
                async for block in answer.aiter_bytes(1 << 18):
                    size += len(block)
                    if max(size, whole) > LARGEST:
                        raise CommandFailed(f"The file is larger than {LARGEST >> 30} GiB.")
                    file.write(block)
                    arrived(size, whole)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as exc:
        why = _NUMBER.sub("", str(exc)).rstrip(".") or type(exc).__name__
        raise CommandFailed(f"The download failed: {why}.") from exc
