"""Mistakes and failures end with one sentence and a non-zero exit status."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from compat.cli.main import main
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.audio.media import make
from tests.cli.command import call, command, environment, module, run
from tests.running import RunningServer, running_server
from tests.servers import serve
from tests.tls import certificate


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Tones(), api_keys=frozenset({"a-key"})) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make("wav", encode(lay(VOCABULARY[:3])), 16000, 1, tmp_path / "one.wav")
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "one.srt").mkdir()
    return tmp_path


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    """A web server that is not a speech server."""

    async def web(_: Request) -> Response:
        return HTMLResponse("<h1>Bad gateway</h1>", status_code=502)

    with serve(Starlette(routes=[Route("/v1/{path:path}", web, methods=["GET", "POST"])])) as root:
        yield f"{root}/v1"


@pytest.fixture(scope="module")
def closing() -> Iterator[str]:
    """A server that closes every connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        listener.shutdown(socket.SHUT_RDWR)


MISTAKES = [
    ([], 1, "401 invalid_api_key: "),
    (["--base-url", "http://nosuch.invalid/v1"], 1, "The name nosuch.invalid cannot be resolved: "),
    (["--base-url", "http://127.0.0.1:9/v1"], 1, "start one with `qwen-asr-compat serve`, or use --local."),
    (["--base-url", "{closing}"], 1, "No server responds at {closing}"),
    (["--base-url", "{plain}"], 1, "The TLS handshake with 127.0.0.1 failed"),
    (["--base-url", "{untrusted}"], 1, "The certificate of 127.0.0.1 is not trusted: "),
    (["--base-url", "localhost:8000/v1"], 2, "is not an address such as http://127.0.0.1:8000/v1."),
    (["--base-url", "http://127.0.0.1:99999/v1"], 2, "is not an address such as"),
    (["--api-key", "ключ"], 2, "A key is one line of ASCII characters."),
    (["--base-url", "http://\udcff/v1"], 2, "is not an address such as"),
    (["--prompt", "caf\udce9"], 2, "'--prompt': It is not UTF-8 text."),
    (["--keyword", "Ada", "--keyword", "\udcff"], 2, "'--keyword': It is not UTF-8 text."),
    (["--api-key", "one\ntwo"], 2, "A key is one line of ASCII characters."),
]
ON_DISK = [
    (["--out", ""], 2, "--out is empty: name a folder, or - for standard output."),
    (["--out", "taken"], 1, "Transcripts cannot be written to taken: It is not a folder."),
    (["--out", "taken/below"], 1, "Transcripts cannot be written to taken/below: Not a directory."),
    (["--out", "/proc"], 1, "Transcripts cannot be written to /proc: "),
    (["--out", "down/" * 900], 1, "File name too long"),
    (["--format", "srt"], 1, "one.wav: Is a directory: one.srt"),
    (["nope.wav", "--api-key", "a-key"], 1, "nope.wav: No such file or directory"),
]


@pytest.mark.parametrize(("arguments", "status", "message"), MISTAKES + ON_DISK)
@pytest.mark.parametrize("live", [False, True], ids=["upload", "live"])
def test_each_mistake_prints_one_sentence(
    server: RunningServer,
    folder: Path,
    closing: str,
    untrusted: str,
    live: bool,
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    known = {
        "{closing}": closing,
        "{untrusted}": untrusted,
        "{plain}": server.base_url.replace("http", "https"),
    }
    for name, value in known.items():
        arguments = [argument.replace(name, value) for argument in arguments]
        message = message.replace(name, value)

    done = call(server, folder, "transcribe", "one.wav", *(["--live", "--fast"] if live else []), *arguments)

    assert status == done.returncode
    assert message in done.stderr.decode().replace("\n", "")
    assert b"Traceback" not in done.stderr
    assert b".part" not in done.stderr


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(Tones(), tls=certificate(tmp_path_factory.mktemp("tls"))) as opened:
        yield opened.base_url


def test_a_server_with_another_api_is_named_as_such(folder: Path, other: str) -> None:
    done = call(None, folder, "transcribe", "one.wav", "--base-url", other)

    assert 1 == done.returncode
    assert f"one.wav: {other} responds with status 502, but not like OpenAI's API.\n" == done.stderr.decode()


@pytest.mark.parametrize("live", [[], ["--live", "--fast"]], ids=["upload", "live"])
@pytest.mark.parametrize(
    ("variable", "proxy"), [("HTTP_PROXY", "http://127.0.0.1:9"), ("ALL_PROXY", "http://nosuch.invalid:3128")]
)
def test_an_unreachable_proxy_is_named(folder: Path, variable: str, proxy: str, live: list[str]) -> None:
    arguments = ["transcribe", "one.wav", "--base-url", "http://127.0.0.1:8/v1", *live]
    clean = {"NO_PROXY": "", "no_proxy": ""}

    done = call(None, folder, *arguments, more={**clean, variable: proxy})
    spared = call(None, folder, *arguments, more={**clean, variable: proxy, **dict.fromkeys(clean, "127.0.0.1")})

    hint = f"through the proxy in {variable}: correct it, or set NO_PROXY=127.0.0.1."
    assert hint in done.stderr.decode().replace("\n", "")
    assert "or use --local." in spared.stderr.decode().replace("\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "nosuch.invalid"], "Try another --host."),
        (["--host", "192.0.2.1"], "Try another --host."),
        (["--limit", "sync_seconds=long"], "Error: --limit: sync_seconds should be a value such as 300"),
        (["--reading", "annotations"], "Error: --reading: annotations should be a value such as true."),
        (["--faults", "/dev/null"], "Error: --faults /dev/null is not JSON: "),
    ],
)
def test_an_unusable_emulator_option_is_named(folder: Path, arguments: list[str], message: str) -> None:
    done = call(None, folder, "emulator", "--engine", "scripted", "--port", "0", *arguments)

    assert 1 == done.returncode
    assert message in done.stderr.decode()


def test_a_missing_file_does_not_stop_the_others(server: RunningServer, folder: Path) -> None:
    done = call(server, folder, "transcribe", "nope.wav", "one.wav", "--api-key", "a-key", "--json")

    assert 1 == done.returncode
    assert (folder / "one.txt").is_file()
    assert b'"nope.wav", "output": null, "status": "failed"' in done.stdout
    assert b"No transcript (1): nope.wav" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux' full device")
def test_a_full_disk_fails_the_recording(server: RunningServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "aside")
    (folder / ".aside.part").symlink_to("/dev/full")

    done = call(server, folder, "transcribe", "one.wav", "--api-key", "a-key")

    assert (1, b"one.wav: No space left on device") == (done.returncode, done.stderr.strip())
    assert not (folder / "one.txt").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux' full device")
@pytest.mark.parametrize("arguments", [["--json"], ["--out", "-"]])
def test_an_unwritable_standard_output_prints_one_sentence(
    server: RunningServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    monkeypatch.chdir(folder)
    for name, value in {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "a-key"}.items():
        monkeypatch.setenv(name, value)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(SystemExit) as ended:
            main(["transcribe", "one.wav", "taken", *arguments])

    assert 1 == ended.value.code
    assert "Error: Standard output cannot be written: No space left on device.\n" == capsys.readouterr().err


@pytest.mark.parametrize("length", [247, 250])
def test_a_transcript_may_have_a_name_of_maximum_length(server: RunningServer, folder: Path, length: int) -> None:
    source = (folder / "one.wav").rename(folder / f"{'n' * length}.wav")

    done = call(server, folder, "transcribe", source.name, "--format", "json", "--api-key", "a-key")

    assert (0, True) == (done.returncode, source.with_suffix(".json").is_file())


def test_a_name_that_is_too_long_is_refused_before_the_upload(folder: Path) -> None:
    source = (folder / "one.wav").rename(folder / f"{'n' * 251}.wav")

    done = call(None, folder, "transcribe", source.name, "--format", "json", "--base-url", "http://127.0.0.1:9/v1")

    assert 1 == done.returncode
    assert b"File name too long" in done.stderr


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "2>&1 | true"])
def test_a_closed_stderr_does_not_stop_the_command(server: RunningServer, folder: Path, closed: str) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        (folder / name).write_bytes((folder / "one.wav").read_bytes())

    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$0" "$@" {closed}', *command("transcribe", ".", "none.wav")],
        cwd=folder,
        env=environment(server, {"OPENAI_API_KEY": "a-key"}),
        timeout=60,
        check=False,
    )

    assert 1 == done.returncode  # for none.wav
    assert {"a.txt", "b.txt", "c.txt"} <= {path.name for path in folder.glob("*.txt")}


@pytest.mark.parametrize("arguments", [["live", "-"], ["transcribe", "one.wav"], ["transcribe", "one.wav", "--live"]])
def test_a_missing_client_extra_is_named(server: RunningServer, folder: Path, arguments: list[str]) -> None:
    without = module(folder, "openai", "raise ImportError('No module named openai')")

    done = run(server, folder, *arguments, more=without)

    assert 1 == done.returncode
    command = f"{sys.executable} -m pip install 'qwen-asr-compat[client]'"
    assert f"Error: This command needs the client extra: {command}.\n" == done.stderr.decode()
