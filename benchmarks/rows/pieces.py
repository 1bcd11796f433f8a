"""Long audio in pieces: total time compared with the service's own time."""

from __future__ import annotations

import asyncio
import math

from benchmarks.findings import Bar, Findings, Table
from benchmarks.processes import ours, stub
from benchmarks.service import COMPLETIONS, seen
from benchmarks.sounds import speech, stored
from benchmarks.uploading import send

NAME = "pieces"
MINUTES = 20
EACH = 2.0  # seconds that the service takes for a piece
AT_ONCE = 10


async def measure(quick: bool) -> Findings:
    del quick  # less than this would be one short request
    path = stored("pieces.wav", speech(MINUTES * 60))
    lines, shares = [], []
    with stub(STUB_DELAY=str(EACH)) as service, ours(service.port, COMPAT_LONG_ROAD="pieces") as server:
        before = 0
        for name, form in (("text: pieces of up to 120 s", "json"), ("with times: up to 30 s", "verbose_json")):
            sent = await asyncio.to_thread(send, server.port, path, response_format=form)
            count = (await seen(service.port))["counts"][COMPLETIONS] - before
            before += count
            critical = math.ceil(count / AT_ONCE) * EACH
            shares.append(sent.answered / critical)
            lines.append([name, str(count), f"{critical:.1f}", f"{sent.answered:.2f}", f"{shares[-1]:.2f} ×"])
    head = ("", "pieces", "critical path, s", "taken, s", "")
    figure = f"{shares[0]:.2f} × ({shares[1]:.2f} × with times)"
    bar = Bar("20 min through pieces, 2 s a piece, 10 in flight", figure, "≤ 1.2 × the critical path", shares[0] <= 1.2)
    return Findings([bar], [Table(f"{MINUTES} minutes of speech", head, lines)])
