"""Runs the command line against a test server, in a process of its own or in this one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from click.testing import CliRunner

from compat.cli.main import main
from tests.running import RunningServer

ROOT = Path(__file__).parent.parent.parent
PLACES = f"{ROOT / 'tests' / 'absent'}{os.pathsep}{ROOT}"
NOTHING: Mapping[str, str] = MappingProxyType({})


def environment(server: RunningServer | None, more: Mapping[str, str] = NOTHING) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("DASHSCOPE_", "OPENAI_"))}
    base = {"OPENAI_BASE_URL": server.base_url} if server else {}
    return {**plain, "PYTHONPATH": PLACES, **base, **more}


def module(folder: Path, name: str, code: str) -> dict[str, str]:
    """Return an environment in which the program imports this module in place of the installed one."""
    (place := folder / "modules").mkdir()
    (place / f"{name}.py").write_text(code)
    return {"PYTHONPATH": f"{place}{os.pathsep}{PLACES}"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "compat", *arguments]


def run(
    server: RunningServer | None, folder: Path, *arguments: str, given: bytes = b"", more: Mapping[str, str] = NOTHING
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
        env=environment(server, more),
    )


def call(
    server: RunningServer | None, folder: Path, *arguments: str, given: bytes = b"", more: Mapping[str, str] = NOTHING
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in this process, which saves a second. It cannot get a signal. Its standard input is a file."""
    there: dict[str, str | None] = dict.fromkeys(os.environ)
    with contextlib.chdir(folder), tempfile.TemporaryFile() as stdin:
        stdin.write(given)
        stdin.seek(0)
        done = CliRunner().invoke(main, arguments, input=stdin, env=there | environment(server, more))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout_bytes, done.stderr_bytes)


def words(text: str) -> list[str]:
    return text.lower().replace(".", "").split()
