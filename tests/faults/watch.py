"""What a server has left behind, by its own figures and its folder."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import stamina

NAMES = ("requests_under_way", "service_calls_under_way", "queue_waiting", "sessions_open", "tasks")


class Left(Exception):
    """Something is still there."""


def figures(base_url: str) -> dict[str, float]:
    """Asked over a new connection each time, which counts the same each time."""
    said = httpx2.get(f"{base_url.removesuffix('/v1')}/metrics", headers={"connection": "close"}).text
    found = dict(re.findall(r"^compat_(\w+) (\S+)$", said, re.MULTILINE))
    return {name: float(found[name]) for name in NAMES}


def files(spool: Path) -> list[str]:
    return [str(path.relative_to(spool)) for path in spool.rglob("*") if path.is_file()]


def nothing_is_left(base_url: str, spool: Path, before: dict[str, float]) -> None:
    """Raises Left when it still is so after a while: what a caller does not wait for may end after his answer."""
    for attempt in stamina.retry_context(on=Left, attempts=60, timeout=8, wait_initial=0.02, wait_max=0.2):
        with attempt:
            now = figures(base_url)
            more = {name: now[name] for name in NAMES if now[name] > before[name]}
            if more or files(spool):
                raise Left(f"{more} {files(spool)}")
