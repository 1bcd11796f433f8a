"""What a server has left behind, by its own figures and its folder."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import stamina

IDLE = 3  # connections to the service that wait to be used again, where calls come one after the other
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


def connections(service: str) -> int:
    """Open connections to the service at this address, by this machine's own table (Linux; elsewhere none)."""
    port, table = f":{urlsplit(service).port:04X}", Path("/proc/net/tcp")
    rows = [line.split() for line in table.read_text().splitlines()[1:]] if table.exists() else []
    return sum(row[2].endswith(port) and row[3] in ("01", "08") for row in rows)  # established, half closed


def nothing_is_left(base_url: str, spool: Path, before: dict[str, float], service: str = "") -> None:
    """Raises Left when it still is so after a while: what a caller does not wait for may end after his answer."""
    for attempt in stamina.retry_context(on=Left, attempts=60, timeout=8, wait_initial=0.02, wait_max=0.2):
        with attempt:
            now = figures(base_url)
            more = {name: now[name] for name in NAMES if now[name] > before[name]}
            open_still = connections(service) if service else 0
            if more or files(spool) or open_still > IDLE:
                raise Left(f"{more} {files(spool)} {open_still} connections")
