"""One upload of a file on disk, sent without loading it into memory."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import BOUNDARY, form


@dataclass(frozen=True)
class Sent:
    """Seconds until the last byte was taken, and until the answer was there; the answer with its head."""

    taken: float
    answered: float
    answer: bytes


def send(port: int, path: Path, **fields: str) -> Sent:
    before, _, behind = form(b"", **fields)
    size = len(before) + path.stat().st_size + len(behind)
    head = (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {size}\r\nconnection: close\r\n"
    )
    head += f"content-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    started = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=1200) as wire, path.open("rb") as file:
        wire.sendall(head.encode() + before)
        wire.sendfile(file)
        wire.sendall(behind)
        taken = time.perf_counter() - started
        answer = b"".join(iter(lambda: wire.recv(1 << 16), b""))
    if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
        raise RuntimeError(answer.decode(errors="replace"))
    return Sent(taken, time.perf_counter() - started, answer)
