"""Install the wheel without a lock into empty environments, then serve and transcribe in each.

    scripts/installs.py                          all four
    scripts/installs.py 3.11-lowest 3.13-newest  these

`lowest` has the oldest release that each range in pyproject.toml allows, `newest` the newest. The server starts in a
folder whose files have the names of modules. Exit status 75: the interpreter, uv or a package is not available.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from compat.emulator import sample

ROOT = Path(__file__).resolve().parent.parent
ALL = ("3.11-lowest", "3.11-newest", "3.12-newest", "3.13-newest")
RESOLUTIONS = {"lowest": "lowest-direct", "newest": "highest"}
EXTRAS = "bucket,client,local,microphone,otel,redis,webrtc"
SHADOWS = ("compat", "av", "click", "json", "logging", "random", "sitecustomize", "uvicorn")
OPTIONAL = ("compat.observability.tracing", "compat.jobs.redis", "compat.cli.listening", "compat.webrtc.peer")
IMPORTED = f"import compat.app, obstore.store, {', '.join(OPTIONAL)}"
MISSING = 75
WORDS = "best of times"


class Missing(Exception):
    """Something is not available on this machine."""


def interpreter(version: str) -> str:
    """Return the path of an interpreter of that version that runs; a pyenv shim without its Python does not."""
    homes = [Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python"]
    named = [str(found) for server in homes for found in sorted(server.glob(f"*{version}[.-]*/bin/python3"))]
    for path in (sys.executable, *named, shutil.which(f"python{version}"), f"/usr/bin/python{version}"):
        asked = "import sys; print('%d.%d' % sys.version_info[:2])"
        with contextlib.suppress(OSError):
            done = subprocess.run([path or "", "-I", "-c", asked], capture_output=True, text=True, check=False)
            if done.stdout.strip() == version:
                return path or ""
    raise Missing(f"Python {version} is not installed.")


def uv(*arguments: str | Path) -> None:
    environment = {"UV_DEFAULT_INDEX": index(), "UV_SYSTEM_CERTS": "true", **os.environ}
    command = [sys.executable, "-m", "uv", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    if done.returncode:
        raise Missing(f"uv {' '.join(map(str, arguments))}:\n{done.stderr}")


@functools.cache
def index() -> str:
    """Return the package index that pip is configured with."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    found = [line.split("=", 1)[1].strip("'") for line in listed.stdout.splitlines() if ".index-url=" in line]
    return found[0] if found else "https://pypi.org/simple"


def speech(path: Path) -> None:
    """Write the sample's first words in a container that the service does not accept, so that it is re-encoded."""
    import av

    with av.open(str(sample.path())) as given, av.open(str(path), "w", format="aiff") as written:
        stream = written.add_stream("pcm_s16be", rate=48_000, layout="mono")
        for frame in given.decode(audio=0):
            if frame.time > 3.5:
                break
            written.mux(stream.encode(frame))
        written.mux(stream.encode(None))


def check(combination: str, wheel: Path, work: Path) -> None:
    version, _, ends = combination.partition("-")
    environment, folder = work / combination, work / f"{combination}-folder"
    uv("venv", "--no-python-downloads", "--python", interpreter(version), environment)
    python = environment / "bin" / "python"
    pip = ("pip", "install", "--only-binary", ":all:", "--resolution", RESOLUTIONS[ends], "--python", python)
    folder.mkdir()
    for name in SHADOWS:
        (folder / f"{name}.py").write_text("raise SystemExit('a file of the current folder is executed')\n")
    speech(folder / "speech.aiff")
    program = Program(environment / "bin" / "qwen-asr-compat", folder)

    uv(*pip, wheel)
    refused = program.run("serve", "--port", "0", fails=True)
    assert "DASHSCOPE_API_KEY" in refused, refused
    assert "'qwen-asr-compat[local]'" in refused, refused
    uv(*pip, f"{wheel}[{EXTRAS}]")
    subprocess.run([python, "-P", "-c", IMPORTED], cwd=folder, check=True)
    subprocess.run([python, "-P", ROOT / "tests" / "foreign.py"], cwd=folder, check=True)
    with program.serving() as base:
        for more in ((), ("--live", "--fast")):
            said = program.run("transcribe", "speech.aiff", "--base-url", base, "--quiet", "--out", "-", *more)
            assert WORDS in said, said


class Program:
    """The installed command in a folder, with nothing of this environment."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder = path, folder
        self._environment = {"HOME": str(folder), "PATH": os.defpath, "MOONSHINE_ORT_SINGLE_THREAD": "1"}

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run the command and return its standard output; with `fails`, its standard error."""
        done = subprocess.run(
            [self._path, *arguments],
            cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert bool(done.returncode) is fails, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stderr if fails else done.stdout

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Start a server and yield its base URL; it must end with status 0 and no traceback."""
        with tempfile.TemporaryFile("w+") as log, subprocess.Popen(
            [self._path, "serve", "--port", "0"],
            cwd=self._folder, env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True,
        ) as server:  # fmt: skip
            try:
                assert server.stdout is not None
                yield server.stdout.readline().split()[-1]
            finally:
                server.terminate()
                status = server.wait(60)
                log.seek(0)
                said = log.read()
            assert (0, False) == (status, "Traceback" in said), said


def main(combinations: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        try:
            uv("build", "--no-build-isolation", "--python", sys.executable, "--out-dir", work / "dist")
            (wheel,) = (work / "dist").glob("*.whl")
            for combination in combinations:
                check(combination, wheel, work)
                print(f"{combination}: installed, served and transcribed")
        except Missing as exc:
            print(exc, file=sys.stderr)
            return MISSING
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(ALL)))
