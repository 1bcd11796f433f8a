"""Real programs that tests need beside Python. Without one its tests are skipped; under COMPAT_REQUIRE_WITNESSES=1,
which `.ci/run` sets, they fail."""

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
    """The path of `name`; `how` tells a reader how to get it."""
    return shutil.which(name) or missing(name, how)


def installed(path: Path, name: str, how: str) -> Path:
    """`path`, where `name` has been installed."""
    if not path.exists():
        missing(name, how)
    return path


def missing(name: str, how: str) -> NoReturn:
    if os.environ.get("COMPAT_REQUIRE_WITNESSES") == "1":
        pytest.fail(f"{name} is not installed: {how}.")
    pytest.skip(f"{name} is not installed: {how}.")


# Below those that the kernel gives out by itself, and for each process others: nobody takes one before it is used.
_ports = itertools.count(10_240 + os.getpid() * 64 % 22_400)


def free_port() -> int:
    """One that nobody listens at."""
    for port in _ports:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("all ports are taken")


@contextlib.contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """A real Redis of one's own that keeps nothing on disk; gives its address."""
    path, port = program("redis-server", "apt-get install redis-server"), port or free_port()
    command = [path, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert any("Ready to accept connections" in line for line in server.stdout)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()
