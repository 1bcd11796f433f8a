"""Runs every command and program in the documentation as printed; exceptions are listed with the reason.

Printed addresses are replaced by those of a test server. Its engine decodes tones: three words in each recording.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.audio.media import make
from tests.running import RunningServer, running_server
from tests.witnesses import installed, program

ROOT = Path(__file__).parent.parent.parent
MODULES = ROOT / "tests" / "clients" / "node_modules"
PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "README.md"]
WORDS = VOCABULARY[:3]
CONFIGURATION = {"yaml", "nginx", "ini", "diff", ""}  # configuration files; the diff has its own test

# Prefixes of shell lines, and of whole programs, that are not run.
LEFT_OUT = {
    "qwen-asr-compat emulator": "does not exit; the tests provide an emulator",
    "qwen-asr-compat verify": "needs an account; tests/cli runs it against an emulator",
    "COMPAT_WEBRTC_PORT": "does not exit; tests/webrtc makes calls",
    "scripts/serve": "does not exit; the tests provide a server",
    "qwen-asr-compat live  ": "needs a microphone",
    "uvx --from": "does not exit, and installs packages; tests/scripts installs the package",
    "pipx run": "the same",
    "python3 -m venv env": "the same",
    "python3 -m venv /opt": "writes outside the test's directory; tests/scripts installs the package",
    "/opt/qwen-asr-compat/bin/pip": "the same",
    "vllm ": "needs a GPU",
    "COMPAT_ENGINE=openai": "does not exit; tests/emulator tests the engine",
    "docker ": "needs a Docker daemon; tests/deploy builds what can be built",
    "cd deploy/kubernetes": "needs a cluster; tests/deploy reads the manifests",
    "cp example.env": "needs a cluster",
    "kubectl ": "needs a cluster",
    'eval "$(_QWEN_ASR_COMPAT_COMPLETE=zsh': "needs zsh",
    "_QWEN_ASR_COMPAT_COMPLETE=fish": "needs fish",
    "from langchain_community": "needs a package that the tests do not install",
    "from livekit.plugins": "needs a package that the tests do not install",
    "from pipecat.services": "needs a package that the tests do not install",
    "const connection = new RTCPeerConnection": "a part of a program; tests/playground runs the whole",
    "// on your server": "parts of two programs; tests/playground runs the whole programs",
    "// 在自己的服务器上": "the same",
}


class Block(NamedTuple):
    page: str
    language: str
    text: str

    @property
    def runs(self) -> bool:
        return self.language not in CONFIGURATION and bool(self.shortened.strip())

    @property
    def code(self) -> str:
        """The text without its comments, which are translated."""
        return re.sub(r"(^|\s+)(#|//) .*", "", self.shortened, flags=re.MULTILINE)

    @property
    def shortened(self) -> str:
        """The text without the parts that are not run."""
        if self.language != "sh":
            return "" if self.text.startswith(tuple(LEFT_OUT)) else self.text
        lines = self.text.splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith(tuple(LEFT_OUT)))


BLOCKS = [
    Block(str(page.relative_to(ROOT)), found[1], found[2])
    for page in PAGES
    for found in re.finditer(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
]
RUNNING = list({block.code: block for block in reversed(BLOCKS) if block.runs}.values())  # each once, in any language
PRINTED = "\n".join(block.text for block in BLOCKS)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Tones(), job_retention=60.0, job_grace=60.0, webhook_secret=b"of the tests") as opened:
        yield opened


RECORDINGS = ("speech.wav", "speech.mp3", "hours.mp3", "interview.mp3", "meeting.m4a", "vortrag.ogg", "talk.mp3")
IN_FOLDERS = ("talks/one.mp3", "talks/day/two.mp4", "录音/一.mp3")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for number, name in enumerate(RECORDINGS + IN_FOLDERS):
        (path := folder / name).parent.mkdir(exist_ok=True, parents=True)
        # each with other bytes, so that no two share a job
        make(path.suffix[1:], encode(lay(WORDS), rate=44_100) + bytes(2_000 * number), 44_100, 1, path)
    (folder / "speech.pcm").write_bytes(encode(lay(WORDS), rate=24_000))
    return folder


@pytest.fixture
def folder(tmp_path: Path, recordings: Path) -> Path:
    """Return a directory with recordings, the repository's folders, and stand-ins for ffmpeg and arecord."""
    shutil.copytree(recordings, tmp_path, dirs_exist_ok=True)
    for name, gives in (("ffmpeg", "speech.wav"), ("arecord", "speech.pcm")):
        (script := tmp_path / "bin" / name).parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\nexec cat {gives}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


def command(block: Block, server: RunningServer, folder: Path) -> list[str]:
    text = block.shortened.replace("http://127.0.0.1:8000/v1", server.base_url)
    text = text.replace("http://127.0.0.1:8001", server.service)
    match block.language:
        case "sh":
            return [program("bash", "apt-get install bash"), "-e", "-o", "pipefail", "-c", text]
        case "python":
            return [sys.executable, "-c", text]
        case _:
            (folder / "node_modules").symlink_to(installed(MODULES, "the openai package for Node", "scripts/clients"))
            (folder / "try.mjs").write_text(text)
            return [program("node", "https://nodejs.org"), "try.mjs"]


@pytest.mark.parametrize("block", RUNNING, ids=lambda block: f"{block.page}: {block.shortened.splitlines()[0][:60]}")
def test_a_printed_program_runs(server: RunningServer, folder: Path, block: Block) -> None:
    path = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {**os.environ, "PATH": path, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "none-needed"}
    given["PYTHONPATH"] = str(ROOT / "tests" / "absent")

    done = subprocess.run(
        command(block, server, folder), cwd=folder, env=given, capture_output=True, text=True, timeout=150, check=False
    )
    made = [file.read_text() for file in folder.rglob("*") if file.suffix in (".txt", ".srt") and file.is_file()]

    assert 0 == done.returncode, done.stderr
    assert "Traceback" not in done.stderr
    assert '{"error"' not in done.stdout
    if "speech." in block.shortened and "print" in block.shortened:
        assert heard(done.stdout)
    assert all(heard(text) for text in made)
    assert made or "qwen-asr-compat transcribe" not in block.shortened


def heard(text: str) -> bool:
    return all(word in text.lower() for word in WORDS)


def test_every_exception_is_still_printed() -> None:
    assert [] == [begins for begins in LEFT_OUT if not re.search(f"^{re.escape(begins)}", PRINTED, re.MULTILINE)]


def test_every_block_is_in_a_known_language() -> None:
    assert set() == {block.language for block in BLOCKS} - CONFIGURATION - {"sh", "python", "js"}


def test_the_command_that_a_diff_adds_runs(server: RunningServer, folder: Path) -> None:
    [diff] = {block.text for block in BLOCKS if block.language == "diff"}
    [added] = re.findall(r"^\+(.*)", diff, re.MULTILINE)

    test_a_printed_program_runs(server, folder, Block("", "sh", added))
