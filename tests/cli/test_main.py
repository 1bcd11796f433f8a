"""The command line, tested through processes and their output."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import httpx2
import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

from compat import __version__
from compat.cli.main import main
from compat.emulator.engines.tones import VOCABULARY, encode, lay
from tests.audio.media import make
from tests.tls import certificate

COMMAND = [sys.executable, "-m", "compat"]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without settings of the server."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("DASHSCOPE_", "COMPAT_"))}
    return {**plain, **more}


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False, env=environment(**more)
    )


@contextlib.contextmanager
def started(*arguments: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Yield a running command, and the lines that it printed until it was ready."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(PYTHONUNBUFFERED="1", **more),
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line.rstrip())
            if "print(client" in line or "emulator at" in line:
                break
        yield process, lines
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        process.stdout.close()


def test_descriptions_of_commands_are_not_cut_off() -> None:
    """fish shows 45 characters, and none after a comma."""
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    descriptions = [command.get_short_help_str() for command in commands if command]

    assert 8 == len(descriptions)
    assert [] == [text for text in descriptions if not text.endswith(".") or text.endswith("...") or "," in text]


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_a_server_without_a_key_uses_the_local_engine(workers: tuple[str, ...], tmp_path: Path) -> None:
    path = make("mp3", encode(lay(VOCABULARY[:8])), 16000, 1, tmp_path / "words.mp3")

    with started("serve", "--port", "0", "--engine", "tones", *workers) as (_, lines):
        base = re.search(r"http://127\.0\.0\.1:\d+/v1", lines[0])
        assert base is not None
        answer = httpx2.post(
            f"{base[0]}/audio/transcriptions",
            data={"model": "whisper-1"},
            files={"file": path.read_bytes()},
            timeout=30,
        )

    facts = dict(line.split(maxsplit=1) for line in lines if line.startswith("  "))
    assert f"qwen-asr-compat {__version__} serves OpenAI's audio API at {base[0]}" == lines[0]
    assert f"{base[0].removesuffix('v1')}" == facts["Page"]
    assert "tones on this machine, for English: DASHSCOPE_API_KEY is not set" == facts["Model"]
    assert "everyone on this machine, without a key" == facts["Clients"]
    assert (workers[-1] if workers else None) == facts.get("Workers")
    assert any(line.strip().startswith("curl ") for line in lines)
    assert list(VOCABULARY[:8]) == answer.json()["text"].lower().strip(".").split()


def test_a_server_for_a_command_ends_with_it_and_offers_no_calls() -> None:
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--engine", "tones", "--for-command"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(PYTHONUNBUFFERED="1"),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        base = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+/v1$", line.strip())))
        calls = httpx2.post(f"{base}/realtime/calls", headers={"content-type": "application/sdp"}, content="v=0")
        process.stdin.close()
        process.stdout.read()
        assert (404, 0) == (calls.status_code, process.wait(timeout=30))


@pytest.mark.parametrize(
    ("host", "reached"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("[::1]", "[::1]")]
)
def test_the_emulator_prints_an_address_that_works(host: str, reached: str) -> None:
    with started("emulator", "--port", "0", "--engine", "tones", "--host", host) as (_, lines):
        root = re.search(rf"http://{re.escape(reached)}:\d+", lines[0])
        assert root is not None
        answer = httpx2.get(f"{root[0]}/emulator/counts")

    assert 200 == answer.status_code


def test_the_emulator_stops_while_a_fault_holds_a_request() -> None:
    head = b"POST /compatible-mode/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer any\r\n"
    with started("emulator", "--port", "0", "--engine", "scripted", "--fault", "hang") as (process, said):
        port = int(said[0].partition("127.0.0.1:")[2].partition(",")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client, client.makefile("rb") as answer:
            client.sendall(head + b"Content-Length: 2\r\n\r\n{}")
            while "chat" not in httpx2.get(f"http://127.0.0.1:{port}/emulator/counts").json():
                pass
            process.send_signal(signal.SIGTERM)
            assert b"503" in answer.readline()
        assert 0 == process.wait(timeout=20)


@pytest.mark.parametrize("pongs", [True, False])
def test_the_emulator_answers_pings_unless_the_reading_disables_pongs(pongs: bool) -> None:
    options = ("--reading", f"pongs={pongs}".lower(), "--limit", "inference.idle_seconds=0.2")
    with started("emulator", "--port", "0", "--engine", "scripted", *options) as (_, lines):
        port = lines[0].partition("127.0.0.1:")[2].partition(",")[0]
        address = f"ws://127.0.0.1:{port}/api-ws/v1/inference?api_key=any"
        with connect(address, proxy=None) as client:
            pong = client.ping()
            with pytest.raises(ConnectionClosedOK):
                client.recv(timeout=20)

    assert pongs is pong.is_set()


REFUSED = [
    (("serve", "--host", "0.0.0.0"), {}, "accepts other machines"),
    (("serve",), {"DASHSCOPE_REGION": "mars"}, "DASHSCOPE_REGION should be"),
    (("serve",), {"COMPAT_MAX_UPLOAD": "much"}, "COMPAT_MAX_UPLOAD should be"),
    (("serve", "--engine", "whisper"), {}, "--engine"),
    (("serve", "--workers", "none"), {}, "--workers': It should be a whole number from 1 to 64, or auto."),
    (("serve", "--workers", "65"), {}, "--workers"),
    (("serve",), {"COMPAT_WORKERS": "0"}, "COMPAT_WORKERS should be"),
    (
        ("serve", "--port", "0", "--workers", "2"),
        {"COMPAT_API_KEYS_FILE": "/none"},
        "Error: COMPAT_API_KEYS_FILE cannot",
    ),
    (("nonsense",), {}, "nonsense"),
]


@pytest.mark.parametrize(("arguments", "settings", "message"), REFUSED)
def test_a_wrong_option_or_setting_exits_with_a_message(
    arguments: tuple[str, ...], settings: dict[str, str], message: str
) -> None:
    done = run(*arguments, **settings)

    assert 0 != done.returncode
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_reported() -> None:
    with started("emulator", "--port", "0", "--engine", "tones") as (_, lines):
        port = lines[0].partition("127.0.0.1:")[2].partition(",")[0]
        done = run("serve", "--port", port)

    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr


def test_the_sample_exists() -> None:
    assert Path(run("sample").stdout.strip()).is_file()


def test_the_version_is_printed() -> None:
    assert __version__ in run("--version").stdout


def test_doctor_shows_the_configuration_without_a_key() -> None:
    done = run("doctor", DASHSCOPE_REGION="singapore", COMPAT_ENGINE="tones")

    assert 0 == done.returncode
    assert "dashscope-intl.aliyuncs.com" in done.stdout


def test_logs_are_json_without_transcripts_keys_or_prompts(tmp_path: Path) -> None:
    path = make("wav", encode(lay(VOCABULARY[:3])), 16000, 1, tmp_path / "secretname.wav")
    log = tmp_path / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", "--engine", "tones"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment(PYTHONUNBUFFERED="1", COMPAT_API_KEYS="callers-key"),
        )
        assert process.stdout is not None
        base = process.stdout.readline().split()[-1]
        httpx2.post(
            f"{base}/audio/transcriptions",
            headers={"authorization": "Bearer callers-key"},
            data={"model": "whisper-1", "prompt": "promptword"},
            files={"file": ("secretname.wav", path.read_bytes())},
            timeout=30,
        ).raise_for_status()
        process.terminate()
        process.communicate(timeout=30)

    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert any(line["message"] == "request" and line["road"] == "chat" for line in lines)
    for secret in ("callers-key", "promptword", "secretname", *VOCABULARY[:3]):
        assert secret not in log.read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stalled_log_reader_delays_neither_requests_nor_shutdown(workers: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--workers", workers],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,  # nobody reads it
        text=True,
        env=environment(PYTHONUNBUFFERED="1", DASHSCOPE_API_KEY="k", COMPAT_STORE=str(tmp_path / "jobs")),
    )
    assert process.stdout is not None
    with process.stdout:
        base = process.stdout.readline().split()[-1]
        with httpx2.Client(base_url=base, timeout=10) as client:
            for _ in range(400):  # more entries than a pipe holds
                assert 404 == client.get(f"/{'x' * 180}").status_code
        process.terminate()
        assert 0 == process.wait(timeout=30)
    assert process.stderr is not None
    process.stderr.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_certificate_enables_https(workers: str, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    options = ("--tls-cert", str(cert), "--tls-key", str(key), "--workers", workers)
    with started("serve", "--port", "0", "--engine", "tones", *options) as (_, lines):
        base_url = re.search(r"https://127\S+/v1", "".join(lines))
        assert base_url is not None
        trusting = ssl.create_default_context(cafile=str(cert))
        assert 200 == httpx2.get(f"{base_url[0]}/models", verify=trusting, trust_env=False).status_code


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    cert, _ = certificate(tmp_path)

    done = run("serve", "--tls-cert", str(cert))

    assert 1 == done.returncode
    assert "--tls-key" in done.stderr
