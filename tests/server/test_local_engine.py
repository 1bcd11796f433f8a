"""The local engine of a server without a key: it is private, is restarted when it dies and leaves no files."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import select
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from compat import processes as children
from compat.config.variables import SettingsError
from compat.emulator.engines.tones import VOCABULARY, encode, lay
from compat.errors import ServiceUnavailable
from compat.server.local_engine import LocalEngine, pause, relay
from tests.audio.media import make
from tests.cli.test_main import started
from tests.emulator.running import GENERATION
from tests.polling import until

WORDS = VOCABULARY[:5]
LIVE = {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1", "language": "zh"}}}}
ENGINE = b"compat.emulator.child"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return make("mp3", encode(lay(WORDS)), 16000, 1, tmp_path / "words.mp3")


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def engines_of(process: int) -> list[int]:
    """Return the ids of the child processes that are engines. Fail if a child is a zombie."""
    children = Path(f"/proc/{process}/task").glob("*/children")
    found = {int(child) for path in children for child in path.read_text().split()}
    assert not [child for child in found if ") Z " in Path(f"/proc/{child}/stat").read_text()]
    return [child for child in found if ENGINE in Path(f"/proc/{child}/cmdline").read_bytes()]


def socket_of(process: int) -> Path:
    """Return the path of the Unix socket that a process listens on. Fail if it listens on a port."""
    inodes = {str(path.readlink())[8:-1] for path in Path(f"/proc/{process}/fd").iterdir() if path.is_symlink()}
    ports = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert not [row for row in ports if row[3] == "0A" and row[9] in inodes]
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    [path] = {row[7] for row in rows if row[6] in inodes and len(row) > 7}
    return Path(path)


def through(path: Path) -> httpx2.Client:
    """Return a client that connects to the engine's socket."""
    return httpx2.Client(base_url="http://localhost", transport=httpx2.HTTPTransport(uds=str(path)))


def transcribed(base: str, path: Path, **fields: str) -> httpx2.Response:
    asked = {"model": "whisper-1", **fields}
    return httpx2.post(f"{base}/audio/transcriptions", data=asked, files={"file": path.read_bytes()}, timeout=60)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks at processes as Linux shows them")
def test_the_engine_is_private_and_restarted(words: Path, spool: Path) -> None:
    settings = {"COMPAT_API_KEYS": "callers-key-1", "COMPAT_SPOOL": str(spool)}
    with started("serve", "--port", "0", "--engine", "tones", **settings) as (process, lines):
        base = re.search(r"http://127\S+/v1", lines[0])
        assert base is not None
        ready = base[0].removesuffix("/v1") + "/readyz"
        with httpx2.Client(headers={"authorization": "Bearer callers-key-1"}, trust_env=False, timeout=60) as http:

            def transcribe(response_format: str = "json") -> str:
                asked = {"model": "whisper-1", "response_format": response_format}
                answer = http.post(f"{base[0]}/audio/transcriptions", data=asked, files={"file": words.read_bytes()})
                return str(answer.raise_for_status().json()["text"])

            assert (
                list(WORDS) == transcribe("diarized_json").lower().strip(".").split()
            )  # a file task, which writes to disk
            [folder] = spool.glob("*/engine")
            assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
            assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}

            asked = {"model": "whisper-1", "language": "zh", "prompt": "Ada", "response_format": "verbose_json"}
            answer = http.post(f"{base[0]}/audio/transcriptions", data=asked, files={"file": words.read_bytes()})
            assert ("tones", "english") == (answer.json()["dashscope"]["engine"], answer.json()["language"])
            assert "language,prompt" == answer.headers["x-compat-ignored"]
            assert "tones" == answer.headers["x-compat-engine"]
            assert {"engine": "tones", "languages": ["en"]} == http.get(f"{base[0]}/models").json()["dashscope"]
            secret = http.post(f"{base[0]}/realtime/client_secrets", json={"session": LIVE}).json()
            assert "tones" == secret["session"]["dashscope"]["engine"]
            assert ["transcription.language"] == secret["session"]["dashscope"]["ignored"]

            [first] = engines_of(process.pid)
            path = socket_of(first)
            assert 0o700 == stat.S_IMODE(path.parent.stat().st_mode)
            with through(path) as engine:
                control = engine.get("/emulator/requests"), engine.post("/emulator/faults", json=[])
                assert [404, 404] == [answer.status_code for answer in control]
                guessed = {"authorization": "Bearer local"}
                assert 401 == engine.get("/api/v1/tasks", headers=guessed).status_code
                rebound = {"host": "page.example", **guessed}
                assert 421 == engine.post(GENERATION, headers=rebound, json={}).status_code

            os.kill(first, signal.SIGTERM)  # ignored: a signal to all processes must not stop it first
            os.kill(first, signal.SIGKILL)
            assert list(WORDS) == transcribe().lower().strip(".").split()
            until(lambda: http.get(ready).status_code == 200, 30.0)
            assert [first] != engines_of(process.pid)

    assert [] == list(spool.iterdir())
    assert not path.parent.exists()


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes as Linux shows them")
def test_a_file_task_survives_an_engine_restart(words: Path, spool: Path) -> None:
    with started("serve", "--port", "0", "--engine", "tones", COMPAT_SPOOL=str(spool)) as (process, lines):
        base = re.findall(r"http://127\S+/v1", lines[0])[0]
        asked = {"model": "whisper-1", "response_format": "srt", "background": "true"}
        files = {"file": words.read_bytes()}
        job = httpx2.post(f"{base}/audio/transcriptions", data=asked, files=files, timeout=60).json()

        def status() -> httpx2.Response:
            return httpx2.get(f"{base}/audio/transcriptions/{job['id']}", timeout=60)

        until(lambda: bool(list(spool.glob("*/engine/*"))), 30.0)
        os.kill(engines_of(process.pid)[0], signal.SIGKILL)
        until(lambda: status().status_code != 202, 30.0)
        done = status()

    assert all(word in done.text.lower() for word in WORDS), done.text


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux to watch a process that is not a child")
def test_the_engine_and_its_files_are_removed_when_the_server_is_killed(words: Path, spool: Path) -> None:
    with started("serve", "--port", "0", "--engine", "tones", COMPAT_SPOOL=str(spool)) as (process, lines):
        base = re.search(r"http://127\S+/v1", lines[0])
        assert base is not None
        transcribed(base[0], words, response_format="diarized_json").raise_for_status()
        assert list(spool.glob("*/engine/*"))
        [child] = engines_of(process.pid)
        path = socket_of(child)
        watched = os.pidfd_open(child)
        process.kill()
        ended = select.select([watched], [], [], 10)[0]

    assert ended
    assert [] == list(spool.glob("*/engine"))
    assert not path.parent.exists()


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes as Linux shows them")
def test_each_engine_has_a_key_that_process_lists_do_not_show(tmp_path: Path) -> None:
    with contextlib.closing(LocalEngine("tones")) as engine, contextlib.closing(LocalEngine("tones")) as other:
        engine.start(tmp_path / "engine", 1 << 20, fetches=False)
        shown = [
            Path(f"/proc/{child}/{name}").read_bytes()
            for child in engines_of(os.getpid())
            for name in ("cmdline", "environ")
        ]

    assert engine.key != other.key
    assert not [text for text in shown if engine.key.encode() in text]


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes as Linux shows them")
def test_a_killed_engine_reports_trouble_until_the_next_one_is_ready(tmp_path: Path) -> None:
    with contextlib.closing(LocalEngine("tones")) as engine:
        engine.start(tmp_path / "engine", 1 << 20, fetches=False)
        until(lambda: not engine.report.trouble, 30.0)
        [child] = engines_of(os.getpid())
        os.kill(child, signal.SIGKILL)
        until(lambda: bool(engine.report.trouble), 30.0)
        engine.report.check()
        until(lambda: not engine.report.trouble, 30.0)
        with through(engine.path) as http:
            answer = http.get("/api/v1/tasks", headers={"authorization": f"Bearer {engine.key}"})

    assert 200 == answer.status_code


def test_the_socket_is_in_tmp_if_the_temporary_folder_has_a_long_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with contextlib.closing(LocalEngine("tones")) as engine:
        assert engine.path.is_socket()

    assert [] == list(long.iterdir())
    assert not engine.path.parent.exists()


def test_the_socket_file_is_touched(tmp_path: Path) -> None:
    with contextlib.closing(LocalEngine("tones")) as engine:
        os.utime(engine.path, (0, 0))
        engine.start(tmp_path / "engine", 1 << 20, fetches=False)
        until(lambda: engine.path.stat().st_atime > 0, 30.0)


def test_the_error_names_tmpdir_if_the_socket_cannot_be_created(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(SettingsError, match="TMPDIR"):
        LocalEngine("tones")


def test_an_engine_that_is_stopped_in_a_request_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = LocalEngine("tones")
    engine.start(tmp_path / "engine", 1 << 20, fetches=False)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(engine.path))
        head = f"POST {GENERATION} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {engine.key}\r\n"
        client.sendall(f"{head}expect: 100-continue\r\ncontent-length: 9\r\n\r\n".encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 100")
        engine.close()

    assert "" == capfd.readouterr().err


def unable(engine: LocalEngine) -> ServiceUnavailable | None:
    try:
        engine.report.check()
    except ServiceUnavailable as exc:
        return exc
    return None


def test_an_engine_that_cannot_start_is_refused_with_retry_after(tmp_path: Path) -> None:
    with contextlib.closing(LocalEngine("nonsense")) as engine:
        engine.start(tmp_path / "engine", 1 << 20, fetches=False)
        until(lambda: unable(engine) is not None, 30.0)
        refused = unable(engine)

    assert refused is not None
    assert refused.retry_after is not None
    assert engine.report.trouble


@pytest.fixture
def modelless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make child processes import a moonshine-voice package without its model."""
    package = tmp_path / "site" / "moonshine_voice"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(package.parent))
    children.places.cache_clear()
    yield
    children.places.cache_clear()


@pytest.mark.usefixtures("modelless")
def test_the_error_says_that_the_model_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.closing(LocalEngine("moonshine")) as engine:
        engine.start(tmp_path / "engine", 1 << 20, fetches=False)
        until(lambda: unable(engine) is not None, 30.0)
        refused = unable(engine)
        assert "lacks its model" in engine.report.trouble

    assert refused is not None
    assert "lacks its model" in refused.message
    fields = [getattr(record, "fields", {}) for record in caplog.records]
    assert [entry for entry in fields if "lacks its model" in (entry.get("cause") or "")]


@pytest.mark.usefixtures("modelless")
def test_the_emulator_does_not_start_without_its_model() -> None:
    done = subprocess.run(children.command("emulator", "--port", "0"), capture_output=True, text=True, timeout=60)

    assert 1 == done.returncode
    assert "lacks its model" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes as Linux shows them")
def test_retry_after_is_the_time_until_the_next_engine_is_ready(tmp_path: Path) -> None:
    with contextlib.closing(LocalEngine("tones")) as engine:
        engine.start(tmp_path / "engine", 1 << 20, fetches=False)
        for _ in range(2):
            until(lambda: not engine.report.trouble, 30.0)
            os.kill(engines_of(os.getpid())[0], signal.SIGKILL)
            until(lambda: bool(engine.report.trouble), 30.0)
        refusals = []
        while (refused := unable(engine)) is not None:
            refusals.append((refused.message, refused.retry_after))
            select.select([], [], [], 0.05)

    assert "The local engine has ended and is being restarted." == refusals[0][0]
    assert "The local engine is loading its model." == refusals[-1][0]
    assert refusals[0][1] is not None
    assert 1.0 < refusals[0][1] < pause(2) + 10


def test_the_pauses_between_starts() -> None:
    assert [0, 1, 2, 4, 8, 16, 30, 30] == [pause(deaths) for deaths in range(1, 9)]


def test_lines_of_libraries_are_logged_at_debug_level(caplog: pytest.LogCaptureFixture) -> None:
    entry = {"level": "error", "logger": "dashscope.emulator", "message": "failed", "exceptions": [{"type": "OSError"}]}
    with caplog.at_level(logging.DEBUG):
        relay(io.BytesIO(b"[W:onnxruntime] no GPU\n" + json.dumps(entry).encode() + b"\n"))

    first, second = caplog.records
    assert (logging.DEBUG, {"line": "[W:onnxruntime] no GPU"}) == (first.levelno, first.__dict__["fields"])
    assert (logging.ERROR, "dashscope.emulator", "failed") == (second.levelno, second.name, second.getMessage())
    assert [{"type": "OSError"}] == second.__dict__["fields"]["exceptions"]
