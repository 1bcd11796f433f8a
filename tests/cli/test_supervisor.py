"""The supervisor of workers that do not start, or do not stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.polling import until
from tests.processes import server_process
from tests.server.workers import children

KEYS = "anne  key-of-anne\n"
DYING = """
import os, resource, signal, socket, sys
from pathlib import Path
from compat.cli.serving import Serving
from compat.cli.supervisor import Supervisor
from compat.config.settings import Settings
from compat.observability import logs
from tests.server.workers import children

def break_it():
    workers = children(os.getpid())
    if sys.argv[2] == "keys":
        Path(os.environ["COMPAT_API_KEYS_FILE"]).write_text("no line of a key file: ! !")
    else:
        most = max(map(int, os.listdir("/proc/self/fd"))) + 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    for worker in workers:
        os.kill(worker, signal.SIGKILL)

settings = Settings.read(os.environ)
with Supervisor(2, Path(sys.argv[1]), hopeless=2) as supervisor:
    logs.start("info", team=supervisor.team)
    listener = socket.create_server(("127.0.0.1", 0))
    supervisor.until_signal(listener, settings, Serving(100), None, break_it)
"""
ADOPTING = """
import ctypes, os, signal, socket, subprocess, sys, threading
from pathlib import Path
from compat.cli.serving import Serving
from compat.cli.supervisor import Supervisor
from compat.config.settings import Settings
from tests.polling import until
from tests.server.workers import children

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # adopts orphans, as process 1 of a container does

def watch():
    until(lambda: children(os.getpid()) == workers)
    os.kill(os.getpid(), signal.SIGTERM)

def leave_orphan():
    global workers
    workers = children(os.getpid())
    subprocess.run(["sh", "-c", "sleep 0.1 & exit 0"], check=True)
    assert children(os.getpid()) != workers
    threading.Thread(target=watch, daemon=True).start()

with Supervisor(2, Path(sys.argv[1])) as supervisor:
    listener = socket.create_server(("127.0.0.1", 0))
    supervisor.until_signal(listener, Settings.read(os.environ), Serving(100), None, leave_orphan)
"""


@pytest.mark.parametrize(
    ("broken", "reason"),
    [("keys", "Error: COMPAT_API_KEYS_FILE cannot be used"), ("files", "a worker cannot be started")],
)
def test_a_server_none_of_whose_workers_stays_alive_ends_with_a_message(
    tmp_path: Path, broken: str, reason: str
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(KEYS)
    settings = {"DASHSCOPE_API_KEY": "k", "COMPAT_API_KEYS_FILE": str(keys), "XDG_STATE_HOME": str(tmp_path / "state")}
    (tmp_path / "spool").mkdir()
    command = [sys.executable, "-c", DYING, str(tmp_path / "spool"), broken]
    done = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60, check=False
    )

    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert (1, "no worker stays alive; the server ends") == (done.returncode, lines[-1]["message"])
    assert reason in done.stderr
    assert [] == list((tmp_path / "spool").iterdir())


def test_processes_that_a_dead_worker_leaves_behind_are_waited_for(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    settings = {"DASHSCOPE_API_KEY": "k", "XDG_STATE_HOME": str(tmp_path / "state")}
    command = [sys.executable, "-c", ADOPTING, str(tmp_path / "spool")]
    done = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60, check=False
    )

    assert (0, "") == (done.returncode, done.stdout)


def test_a_worker_that_hangs_delays_neither_the_others_nor_a_forced_stop(tmp_path: Path) -> None:
    with server_process(tmp_path, "http://127.0.0.1:9", COMPAT_WORKERS="2") as server:
        hanging, _ = children(server.process.pid)
        os.kill(hanging, signal.SIGSTOP)
        try:
            assert {200} == {httpx2.get(f"{server.base_url}/models", timeout=10).status_code for _ in range(6)}
            server.process.send_signal(signal.SIGINT)
            until(lambda: any("Stopping" in line for line in server.printed))
            server.process.send_signal(signal.SIGINT)
            assert 130 == server.process.wait(timeout=30)
            assert not Path(f"/proc/{hanging}").exists()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(hanging, signal.SIGKILL)
