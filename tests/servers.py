"""Serves an ASGI app on a real loopback port."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from compat.server.run import Server, config


@contextlib.contextmanager
def serve(
    app: ASGIApp,
    cert: Path | None = None,
    key: Path | None = None,
    *,
    buffer: int | None = None,
    **options: Any,  # noqa: ANN401 - those of config
) -> Iterator[str]:
    """Run `app` in a thread with its own event loop, and yield its root URL, `http://127.0.0.1:PORT`.

    `buffer`: bytes that the kernel keeps of what a client does not read, by default up to several MB.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    if buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    settings = config(app, cert, key, **options)
    state = getattr(app, "state", None)
    leaves = hasattr(state, "leave")
    server = Server(settings, state.retire, state.leave) if state and leaves else uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        scheme = "https" if cert else "http"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"  # the kernel queues early connections
    finally:
        server.should_exit = True
        thread.join(timeout=15)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"
