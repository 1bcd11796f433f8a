"""The lines that `serve` prints are run as they stand, by a shell and by Python."""

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
from tests.house import house
from tests.tls import certificate
from tests.witnesses import program

WORDS = VOCABULARY[:3]
PATHS = ["speech.wav", 'my talks/it\'s; 1,2 "so" $HOME.wav']


def ran(said: list[str], folder: Path, **more: str) -> list[str]:
    """What each of the two programs in the lines prints."""
    first = next(number for number, line in enumerate(said) if line.startswith("curl "))
    given = {"cwd": folder, "env": {**os.environ, **more}, "capture_output": True, "text": True, "timeout": 60}
    shell = said[first].replace("curl ", f"{program('curl', 'apt-get install curl')} -sS ", 1)
    code = "\n".join(said[first + 1 :])
    commands = [["sh", "-c", shell], [sys.executable, "-W", "ignore", "-c", code]]
    done = [subprocess.run(command, check=False, **given) for command in commands]  # type: ignore[call-overload]
    assert [""] * 2 == [one.stderr for one in done]
    return [one.stdout for one in done]


def heard(text: str) -> bool:
    return all(word in text.lower() for word in WORDS)


def spoken(said: list[str], folder: Path) -> list[str]:
    """The lines with three words of sound in place of the sample, which an engine of sounds cannot hear."""
    wav(folder / "words.wav", encode(lay(WORDS), rate=16_000), rate=16_000)
    sample = next(line for line in said if line.startswith("print(")).split("'")[1]
    return [line.replace(sample, str(folder / "words.wav")) for line in said]


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
def test_the_lines_run_as_they_stand(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options, settings = SERVERS[case]
    (tmp_path / "a folder").mkdir()
    certificate(tmp_path / "a folder")
    (tmp_path / "keys").write_text(f"someone {KEY}\n")
    monkeypatch.chdir(tmp_path)

    with started("serve", "--port", "0", "--engine", "tones", *options, **settings) as (_, said):
        texts = ran(spoken(said, tmp_path), tmp_path, OPENAI_API_KEY=KEY)

    assert [True, True] == [heard(text) for text in texts]
    assert KEY not in "\n".join(said)
    assert ("OPENAI_API_KEY" in "\n".join(said)) == bool(settings)
    assert "0.0.0.0" not in "\n".join(said)


def test_where_keys_are_passed_on_the_lines_send_the_caller_s_own() -> None:
    with started("serve", "--port", "0", COMPAT_PASS_KEY="true") as (_, said):
        pass

    assert "The lines below take it from OPENAI_API_KEY: your DashScope key." in said[1]
    assert '-H "Authorization: Bearer $OPENAI_API_KEY"' in "\n".join(said)
    assert "none-needed" not in "\n".join(said)


def test_a_path_is_quoted_for_both(tmp_path: Path) -> None:
    path = tmp_path / "my talks" / 'it\'s; 1,2 "so" $HOME.wav'
    path.parent.mkdir(exist_ok=True)
    with house(Tones()) as home:
        wav(path, encode(lay(WORDS), rate=16_000), rate=16_000)
        told = banner(home.base_url, everywhere=False, local=True, keys=None, cert=None, sample=path)
        texts = ran(told.splitlines(), tmp_path)

    assert [True, True] == [heard(text) for text in texts]
