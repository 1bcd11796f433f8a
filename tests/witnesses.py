"""Programs other than Python that tests need.

Tests are skipped if their program is missing. With COMPAT_REQUIRE_WITNESSES=1, which `.ci/run` sets, they fail.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest


def program(name: str, how: str) -> str:
    """Return the path of the program `name`. `how`: instructions to install it."""
    return shutil.which(name) or missing(name, how)


def installed(path: Path, name: str, how: str) -> Path:
    """Return `path`, where `name` must be installed."""
    if not path.exists():
        missing(name, how)
    return path


def missing(name: str, how: str) -> NoReturn:
    if os.environ.get("COMPAT_REQUIRE_WITNESSES") == "1":
        pytest.fail(f"{name} is not installed: {how}.")
    pytest.skip(f"{name} is not installed: {how}.")


# Below the kernel's ephemeral ports, and different for each process, so that no other process takes the port.
_ports = itertools.count(10_240 + os.getpid() * 64 % 22_400)


def free_port() -> int:
    """Return a port that no process listens on."""
    for port in _ports:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("all ports are taken")


@contextlib.contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """Start a Redis server without files on disk, and yield its URL."""
    path, port = program("redis-server", "apt-get install redis-server"), port or free_port()
    command = [path, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert any("Ready to accept connections" in line for line in server.stdout)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()
