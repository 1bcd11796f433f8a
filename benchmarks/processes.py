"""Servers in separate processes, and the resources that a process and its descendants use (Linux)."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".benchmarks"
"""Peers' environments, logs and files to upload; ignored by git."""


class Process:
    """A server that answers on `port`."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.port,)

    def tree(self) -> list[int]:
        """Return the ids of the process and its descendants."""
        found = [self.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def memory(self) -> float:
        """Return the resident memory of the tree, in MiB."""
        return sum(_status(pid, "VmRSS") for pid in self.tree())

    def peak(self) -> float:
        """Return the sum of the processes' peaks since `forget_peak`, in MiB."""
        return sum(_status(pid, "VmHWM") for pid in self.tree())

    def forget_peak(self) -> None:
        for pid in self.tree():
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def seconds(self) -> float:
        """Return the CPU seconds of the tree so far, including ended children."""
        return sum(processor_seconds(pid) + _of_the_ended(pid) for pid in self.tree())


class Pair(Process):
    """Two servers that are measured as one. Each gets every other connection."""

    def __init__(self, one: Process, other: Process) -> None:
        super().__init__(one.pid, one.port)
        self._both = one, other

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(each.port for each in self._both)

    def tree(self) -> list[int]:
        return [pid for each in self._both for pid in each.tree()]


def processor_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and its threads; the clock id is that of clock_getcpuclockid(3)."""
    with contextlib.suppress(OSError):
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


def _of_the_ended(pid: int) -> float:
    """Return the CPU seconds of children that the process has waited for: cutime and cstime of proc(5), to 10 ms."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _status(pid: int, name: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def running(
    name: str,
    *command: str | Path,
    port: int,
    wait: float = 60,
    ready: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """A server, once it accepts connections, and answers at the path `ready`: sockets may listen before a server is
    there. What it says is in `.benchmarks/logs/<name>.log`."""
    log = FOLDER / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log.open("wb") as output:
        child = subprocess.Popen(
            [*map(str, command)],
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=output,
            cwd=ROOT,
            start_new_session=True,  # Linux schedules the processes of a session as one (autogroup)
        )
    try:
        _await(child, port, ready, started + wait, log)
        yield Process(child.pid, port)
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await(child: subprocess.Popen[bytes], port: int, ready: str | None, until: float, log: Path) -> None:
    while time.perf_counter() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
            if ready is None:
                return
            wire.sendall(f"GET {ready} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
            if wire.recv(64).startswith(b"HTTP/1.1 200"):
                return
        if child.poll() is not None:
            break
        time.sleep(0.005)
    raise RuntimeError(f"{child.args!r} does not accept connections; see {log}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def stub(module: str = "service", **environment: str) -> Iterator[Process]:
    """One of benchmarks/servers."""
    port = free_port()
    command = (sys.executable, "-m", f"benchmarks.servers.{module}", str(port))
    with running(module, *command, port=port, environment=environment) as up:
        yield up


@contextlib.contextmanager
def ours(service: int, *arguments: str, **environment: str) -> Iterator[Process]:
    """Start this server with its defaults, except for rates and stored state, in front of the service at that port."""
    port = free_port()
    settings = {
        "DASHSCOPE_API_KEY": "k",
        "DASHSCOPE_BASE_URL": f"http://127.0.0.1:{service}",
        "COMPAT_LOG_LEVEL": "warning",
        "COMPAT_RATES": "off",
        "COMPAT_STORE": str(FOLDER / "jobs.sqlite"),
        "COMPAT_JOB_RETENTION": "0",
    }
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "jobs.sqlite").unlink(missing_ok=True)
    command = (sys.executable, "-m", "compat", "serve", "--port", str(port), *arguments)
    with running("ours", *command, port=port, ready="/healthz", environment=settings | environment) as up:
        yield up
