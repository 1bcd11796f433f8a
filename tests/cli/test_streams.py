"""Standard streams that are full or closed, and Ctrl-C during the imports."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from compat.__main__ import main

FULL = Path("/dev/full")


class Interrupting:
    """A module finder that raises KeyboardInterrupt, like Ctrl-C during an import."""

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name == "compat.cli.main":
            raise KeyboardInterrupt
        return None


def test_ctrl_c_during_imports_prints_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "compat.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])

    with pytest.raises(SystemExit) as ended:
        main()

    assert (130, "Stopped.\n") == (ended.value.code, capsys.readouterr().err)


@pytest.mark.skipif(not FULL.exists(), reason="needs Linux' full device")
@pytest.mark.parametrize(
    "arguments",
    [["sample"], ["--help"], ["serve", "--help"], ["--version"], ["transcribe", "--json", "--force", "none.wav"]],
)
def test_a_full_disk_ends_a_command_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["qwen-asr-compat", *arguments])
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended:
            main()

    message = capsys.readouterr().err
    assert (1, 1) == (ended.value.code, message.count("No space left on device")), message
    assert 1 == message.count("\n")


@pytest.mark.parametrize(("closed", "status"), [(">&-", 1), ("<&-", 0)])
def test_closed_streams_cause_no_traceback(closed: str, status: int) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m compat sample {closed}', sys.executable],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)},
    )

    assert status == done.returncode
    assert ("Error: Bad file descriptor, reading or writing.\n" if status else "") == done.stderr
