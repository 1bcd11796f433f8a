"""Checks that a server has left nothing behind, by its metrics, its spool and its connections."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import stamina

IDLE = 3  # idle connections to the service that sequential calls may leave for reuse
NAMES = (
    "requests_under_way",
    "service_calls_under_way",
    "queue_waiting",
    "sessions_open",
    "tasks",
    "spool_bytes",
    "upload_memory_bytes",
)


class Left(Exception):
    """The server has left something behind."""


def figures(base_url: str) -> dict[str, float]:
    """Return the gauges NAMES. Each request uses a new connection, so that it always counts the same."""
    text = httpx2.get(f"{base_url.removesuffix('/v1')}/metrics", headers={"connection": "close"}).text
    values = dict(re.findall(r"^compat_(\w+) (\S+)$", text, re.MULTILINE))
    return {name: float(values[name]) for name in NAMES}


def files(spool: Path) -> list[str]:
    return [str(path.relative_to(spool)) for path in spool.rglob("*") if path.is_file()]


def connections(service: str) -> int:
    """Return the number of open connections to the service at this address (on Linux; elsewhere 0)."""
    port, table = f":{urlsplit(service).port:04X}", Path("/proc/net/tcp")
    rows = [line.split() for line in table.read_text().splitlines()[1:]] if table.exists() else []
    return sum(row[2].endswith(port) and row[3] in ("01", "08") for row in rows)  # established, half closed


def nothing_is_left(base_url: str, spool: Path, before: dict[str, float], service: str = "") -> None:
    """Raise Left unless the server is back to `before` within 8 s. Some clean-up ends only after the response."""
    for attempt in stamina.retry_context(on=Left, attempts=60, timeout=8, wait_initial=0.02, wait_max=0.2):
        with attempt:
            now = figures(base_url)
            more = {name: now[name] for name in NAMES if now[name] > before[name]}
            open_still = connections(service) if service else 0
            if more or files(spool) or open_still > IDLE:
                raise Left(f"{more} {files(spool)} {open_still} connections")
