"""Child processes and the program itself do not import files from the user's current folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from compat import processes
from compat.audio.worker import Worker, WorkerQueue
from compat.config.principal import ANYONE
from tests.audio import hostile

NAMES = ("compat", "random", "av", "logging", "click", "uvicorn", "json", "types", "site", "sitecustomize")
BEFORE = ("compat", "types", "site", "sitecustomize")  # Python itself imports these before the program starts
ASKED = """
import json, sys
from compat import processes
print(json.dumps([processes.python("pass"), processes.__file__]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('the {name}.py of the folder is executed')\n")
    return tmp_path


def run(command: list[str], folder: Path, **more: str) -> str:
    environment = {**os.environ, **more}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


@pytest.mark.parametrize("path", ["", ".", ":/nowhere"])
def test_a_child_does_not_import_from_the_current_folder(folder: Path, path: str) -> None:
    assert run(processes.command("--version"), folder, PYTHONPATH=path).startswith("qwen-asr-compat, version")


@pytest.mark.parametrize("path", ["", ":/nowhere", f":{processes.HOME}"])
@pytest.mark.parametrize("program", [["-m", "compat"], [str(Path(sys.executable).with_name("qwen-asr-compat"))]])
def test_the_program_does_not_import_from_the_current_folder(folder: Path, program: list[str], path: str) -> None:
    for name in BEFORE:
        (folder / f"{name}.py").unlink()

    run([sys.executable, *program, "serve", "--help"], folder, PYTHONPATH=path)


def test_the_program_runs_from_its_own_folder(tmp_path: Path) -> None:
    for folder in (processes.HOME, tmp_path):
        run([sys.executable, "-m", "compat", "--version"], folder, PYTHONPATH=str(processes.HOME))


@pytest.mark.parametrize("start", [["-c", ASKED], ["-P", "-c", ASKED]])
def test_a_child_has_its_parent_s_search_path(tmp_path: Path, start: list[str]) -> None:
    """Also if only `PYTHONPATH` names that folder, or if it is the current folder."""
    for folder in (tmp_path, processes.HOME):
        command, file = json.loads(run([sys.executable, *start], folder, PYTHONPATH=str(processes.HOME)))
        command[3] = command[3].removesuffix("pass") + "from compat import processes; print(processes.__file__)"

        assert run(command, folder).strip() == file


async def test_the_media_worker_does_not_import_from_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    worker = Worker(1)
    try:
        assert await worker.run(WorkerQueue(ANYONE), hostile.pid) > 0
    finally:
        await worker.close()
