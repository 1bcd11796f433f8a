"""A server in a process of its own, which tests can kill."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import openai

COMMAND = [sys.executable, "-m", "compat", "serve", "--port", "0"]


class Server:
    """A running server. `base_url`: for clients. `printed`: the lines of its output and its log."""

    def __init__(self, process: subprocess.Popen[str], base_url: str, printed: list[str]) -> None:
        self.process = process
        self.base_url = base_url
        self.printed = printed

    def kill(self) -> None:
        """Send SIGKILL, which prevents any cleanup, and wait for the end of the process."""
        self.process.kill()
        self.process.wait(timeout=10)

    def client(self, timeout: float = 60.0, max_retries: int = 0) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.base_url, api_key="anything", timeout=timeout, max_retries=max_retries)


@contextlib.contextmanager
def server_process(folder: Path, root: str, **settings: str) -> Iterator[Server]:
    """Start a server that uses DashScope at `root` and keeps its files and state in `folder`."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("DASHSCOPE_", "COMPAT_"))}
    given = {
        "DASHSCOPE_API_KEY": "the-server's-key",
        "DASHSCOPE_BASE_URL": root,
        "COMPAT_SPOOL": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        COMMAND,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**plain, **given, **settings},
    )
    assert process.stdout is not None
    printed: list[str] = []
    drain = threading.Thread(target=printed.extend, args=(process.stdout,), daemon=True)
    try:
        for line in process.stdout:
            printed.append(line)
            if match := re.search(r"http://127\S+/v1", line):
                break
        else:
            raise AssertionError("the server did not start: " + "".join(printed))
        drain.start()
        yield Server(process, match[0], printed)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            process.kill()
            if drain.ident is not None:
                drain.join(timeout=5)
            process.stdout.close()
