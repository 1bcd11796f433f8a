"""scripts/install with existing virtual environments, and a stand-in for Python that reports its arguments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
UP_TO_DATE = ".venv/.installed-base.lock-"


def install(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    return subprocess.run(
        [checkout / "scripts" / "install"], env={**clean, **environment}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout in which everything is installed, by this Python."""
    (folder := tmp_path / "checkout").mkdir()
    (folder / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "install", folder / "scripts")
    (folder / "requirements").mkdir()
    for name in ("requirements/base.lock", "pyproject.toml"):
        (folder / name).write_text("")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    (folder / ".venv" / ".made").write_text(f"{sys.version_info[0]} {sys.version_info[1]} {folder}\n")
    (folder / (UP_TO_DATE + "4294967295")).touch()  # cksum of nothing
    return folder


def python(folder: Path, script: str) -> Path:
    (path := folder / "python").write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_an_up_to_date_environment_is_not_changed(checkout: Path) -> None:
    done = install(checkout)

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


def test_a_virtual_environment_of_another_directory_is_not_used(checkout: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkout, tmp_path / "copy", symlinks=True)

    done = install(copy, PYTHON=str(python(tmp_path, 'case "$*" in *venv*) echo made again >&2; exit 3;; esac')))

    assert "made again" in done.stderr
    assert not (copy / ".venv").exists()


def test_a_virtual_environment_of_another_python_is_not_used(checkout: Path, tmp_path: Path) -> None:
    (checkout / ".venv" / ".made").write_text(f"3 10 {checkout}\n")

    done = install(checkout, PYTHON=str(python(tmp_path, 'case "$*" in *venv*) echo made again >&2; exit 3;; esac')))

    assert "made again" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_that_is_too_old_is_rejected(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / ".venv")

    done = install(checkout, PYTHON=str(python(tmp_path, "exit 1")))

    assert (1, "needs Python 3.11 or newer") == (done.returncode, done.stderr[16:42])
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("packaged", "hint"), [("exit 1", True), ("exit 0", False)], ids=["no ensurepip", "another reason"]
)
def test_a_missing_debian_package_is_named(checkout: Path, tmp_path: Path, packaged: str, *, hint: bool) -> None:
    shutil.rmtree(checkout / ".venv")

    done = install(
        checkout, PYTHON=str(python(tmp_path, f'case "$*" in *ensurepip*) {packaged};; *venv*) exit 3;; esac'))
    )

    assert 1 == done.returncode
    assert hint == ("python3-venv" in done.stderr)


def test_an_environment_without_pip_is_completed(checkout: Path, tmp_path: Path) -> None:
    """Its creation was interrupted, or python3-venv was missing. The default interpreter completes it."""
    (checkout / ".venv" / ".made").unlink()
    python(tmp_path, 'case "$*" in *venv*) echo completed >&2; exit 3;; esac').rename(tmp_path / "python3")

    done = install(checkout, PATH=f"{tmp_path}:{os.environ['PATH']}")

    assert "completed" in done.stderr


def test_serve_works_through_a_symbolic_link(checkout: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "scripts" / "serve", checkout / "scripts")
    (command := checkout / ".venv" / "bin" / "qwen-asr-compat").write_text('#!/bin/sh\necho "$@"\n')
    command.chmod(0o755)
    (link := tmp_path / "asr").symlink_to(checkout / "scripts" / "serve")

    done = subprocess.run([link, "--port", "9"], capture_output=True, text=True, check=False)

    assert (0, "serve --port 9\n") == (done.returncode, done.stdout), done.stderr
