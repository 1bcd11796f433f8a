"""Ctrl-C, SIGTERM and SIGHUP stop a server that was started in a terminal."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.cli.test_main import COMMAND, environment
from tests.terminal import CTRL_C, terminal

SERVE = [*COMMAND, "serve", "--port", "0", "--engine", "tones"]
READY = "Press Ctrl-C to stop."


def lines_after(output: str, ready: str) -> list[str]:
    lines = output.splitlines()
    last = max(number for number, line in enumerate(lines) if ready in line)
    return [line for line in lines[last + 1 :] if line]


@pytest.mark.parametrize(
    ("end", "status", "message"),
    [
        (lambda shell: shell.type(CTRL_C), 130, "^CStopping. Press Ctrl-C again to stop at once."),
        (lambda shell: shell.signal(signal.SIGTERM), 0, "Stopping. Press Ctrl-C again to stop at once."),
        (lambda shell: shell.signal(signal.SIGHUP), 0, "Stopping. Press Ctrl-C again to stop at once."),
    ],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_a_server_and_its_engine_stop_with_one_message(tmp_path: Path, end: object, status: int, message: str) -> None:
    assert callable(end)
    with terminal(SERVE, tmp_path, environment(), columns=300) as shell:
        shell.until(READY)
        end(shell)
        output = shell.rest()

    assert (status, [message]) == (shell.status, lines_after(output, READY))


def test_the_emulator_stops_with_one_message(tmp_path: Path) -> None:
    with terminal([*COMMAND, "emulator", "--port", "0", "--engine", "tones"], tmp_path, environment()) as shell:
        shell.until("accepts any key.")
        shell.type(CTRL_C)
        [line] = lines_after(shell.rest(), "any key")

    assert (130, "^CStop") == (shell.status, line[:6])


def test_a_server_with_a_closed_stderr_stops_at_the_first_signal() -> None:
    command = [*COMMAND, "emulator", "--port", "0", "--engine", "scripted"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        root = process.stdout.readline().decode().split()[3].rstrip(",")
        httpx2.get(f"{root}/emulator/counts", trust_env=False, timeout=20).raise_for_status()
        process.stderr.close()
        process.send_signal(signal.SIGTERM)

        assert 0 == process.wait(timeout=20)
