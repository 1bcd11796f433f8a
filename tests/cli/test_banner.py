"""The examples that `serve` prints, run by a shell and by Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from compat.cli.banner import banner
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.cli.test_main import started
from tests.emulator.recordings import wav
from tests.running import running_server
from tests.tls import certificate
from tests.witnesses import program

WORDS = VOCABULARY[:3]
PATHS = ["speech.wav", 'my talks/it\'s; 1,2 "so" $HOME.wav']


def run_examples(lines: list[str], folder: Path, **more: str) -> list[str]:
    """Run the two examples in the lines, and return their outputs."""
    first = next(number for number, line in enumerate(lines) if line.startswith("curl "))
    given = {"cwd": folder, "env": {**os.environ, **more}, "capture_output": True, "text": True, "timeout": 60}
    shell = lines[first].replace("curl ", f"{program('curl', 'apt-get install curl')} -sS ", 1)
    code = "\n".join(lines[first + 1 :])
    commands = [["sh", "-c", shell], [sys.executable, "-W", "ignore", "-c", code]]
    done = [subprocess.run(command, check=False, **given) for command in commands]  # type: ignore[call-overload]
    assert [""] * 2 == [one.stderr for one in done]
    return [one.stdout for one in done]


def has_words(text: str) -> bool:
    return all(word in text.lower() for word in WORDS)


def with_words(lines: list[str], folder: Path) -> list[str]:
    """Return the lines with a recording of three words in place of the sample, which `tones` cannot recognise."""
    wav(folder / "words.wav", encode(lay(WORDS), rate=16_000), rate=16_000)
    sample = next(line for line in lines if line.startswith("print(")).split("'")[1]
    return [line.replace(sample, str(folder / "words.wav")) for line in lines]


KEY = "sk-of-a-caller"
SERVERS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "everywhere, keys": (("--host", "0.0.0.0"), {"COMPAT_API_KEYS": f"sk-of-another,{KEY}"}),
    "everywhere, IPv6, TLS, a file of keys": (
        ("--host", "::", "--tls-cert", "a folder/cert.pem", "--tls-key", "a folder/key.pem"),
        {"COMPAT_API_KEYS_FILE": "keys"},
    ),
    "IPv6": (("--host", "[::1]"), {}),
}


@pytest.mark.parametrize("case", SERVERS)
def test_the_printed_examples_run(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options, settings = SERVERS[case]
    (tmp_path / "a folder").mkdir()
    certificate(tmp_path / "a folder")
    (tmp_path / "keys").write_text(f"someone {KEY}\n")
    monkeypatch.chdir(tmp_path)

    with started("serve", "--port", "0", "--engine", "tones", *options, **settings) as (_, lines):
        texts = run_examples(with_words(lines, tmp_path), tmp_path, OPENAI_API_KEY=KEY)

    assert [True, True] == [has_words(text) for text in texts]
    assert KEY not in "\n".join(lines)
    assert ("OPENAI_API_KEY" in "\n".join(lines)) == bool(settings)
    assert "0.0.0.0" not in "\n".join(lines)


def test_with_pass_key_the_examples_send_the_client_s_key() -> None:
    with started("serve", "--port", "0", COMPAT_PASS_KEY="true") as (_, lines):
        pass

    facts = dict(line.split(maxsplit=1) for line in lines if line.startswith("  "))
    assert "your DashScope key; the examples read it from OPENAI_API_KEY" == facts["Clients"]
    assert ("qwen3-asr-flash, live: qwen3-asr-flash-realtime", "beijing, dashscope.aliyuncs.com") == (
        facts["Model"],
        facts["Region"],
    )
    assert '-H "Authorization: Bearer $OPENAI_API_KEY"' in "\n".join(lines)
    assert "none-needed" not in "\n".join(lines)


def test_paths_are_quoted_for_the_shell_and_python(tmp_path: Path) -> None:
    path = tmp_path / "my talks" / 'it\'s; 1,2 "so" $HOME.wav'
    path.parent.mkdir(exist_ok=True)
    with running_server(Tones()) as server:
        wav(path, encode(lay(WORDS), rate=16_000), rate=16_000)
        text = banner(server.base_url, {}, keys=False, cert=None, sample=path)
        texts = run_examples(text.splitlines(), tmp_path)

    assert [True, True] == [has_words(text) for text in texts]
