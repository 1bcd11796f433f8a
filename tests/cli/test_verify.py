"""`verify`: it shows the price, sends nothing without consent, and writes what the emulator plays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from starlette.applications import Starlette

from compat.cli.verify.sounds import SPOKEN, speech
from compat.emulator import command as emulator_command
from compat.emulator.app import create_app
from compat.emulator.engine import Hypothesis, Sentence
from compat.emulator.engines.moonshine import Moonshine
from compat.emulator.engines.scripted import Scripted
from compat.emulator.options import options
from compat.emulator.readings import Readings
from compat.probes.probe import error_rate
from tests.cli.command import call, command, environment
from tests.servers import serve
from tests.terminal import terminal

READINGS = Readings(status_line="field", silence_content_empty_list=False, policies=False)
ONLY = ("--only", "native-stream", "--only", "native-silence", "--only", "upload-policy", "--only", "models")
KEY = "sk-of-this-account"


class Account:
    def __init__(self, app: Starlette, root: str) -> None:
        self.more = {"DASHSCOPE_BASE_URL": root, "DASHSCOPE_API_KEY": KEY}
        self.emulator = app.state.emulator


@pytest.fixture
def account() -> Iterator[Account]:
    turns = [[Sentence(text="The river was quiet.", begin_ms=0, end_ms=900)], []]
    app = create_app(Scripted(*turns, hypotheses=[[Hypothesis("The river.")]]), readings=READINGS)
    with serve(app) as root:
        yield Account(app, root)


def test_without_consent_nothing_is_sent(account: Account, tmp_path: Path) -> None:
    done = call(None, tmp_path, "verify", more=account.more)

    assert 2 == done.returncode
    assert b"--yes" in done.stderr
    assert b"Together at most CNY 0." in done.stdout
    assert {} == account.emulator.counts
    assert [] == list(tmp_path.iterdir())


def test_a_terminal_prompts_for_consent(account: Account, tmp_path: Path) -> None:
    with terminal(command("verify", "--only", "chat"), tmp_path, environment(None, account.more)) as shell:
        shell.until("Run the probes?")
        shell.type(b"n\r")
        shown = shell.rest()

    assert (1, True) == (shell.status, "Nothing was sent." in shown)
    assert {} == account.emulator.counts


def test_the_results_are_what_the_emulator_plays(account: Account, tmp_path: Path) -> None:
    done = call(None, tmp_path, "verify", "--yes", *ONLY, "--output", "found.json", more=account.more)

    assert 0 == done.returncode, done.stderr
    written = (tmp_path / "found.json").read_text()
    found = json.loads(written)
    assert {
        "status_line": "field", "finish_reason_string": True, "silence_content_empty_list": False, "policies": False,
        "retired": [],
    } == found["readings"]  # fmt: skip
    assert [["status_line"], ["silence_content_empty_list"], ["policies"], []] == [
        probe["differs"] for probe in found["probes"]
    ]
    assert {"not_probed", "word_error_rates", "about"} < found.keys()
    for secret in (KEY, account.more["DASHSCOPE_BASE_URL"], "127.0.0.1"):
        assert secret not in written
        assert secret not in done.stdout.decode()

    made: list[Starlette] = []
    build = ["--engine", "scripted", "--readings", str(tmp_path / "found.json")]
    assert 0 == CliRunner().invoke(_emulator, build, obj=made).exit_code
    assert READINGS == made[0].state.emulator.readings


@click.command()
@options
@click.pass_context
def _emulator(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - those of the options
    ctx.obj.append(emulator_command.app(host="127.0.0.1", **given))


def test_an_existing_file_is_kept(account: Account, tmp_path: Path) -> None:
    (tmp_path / "dashscope-readings.json").write_text("{}")
    kept = call(None, tmp_path, "verify", "--yes", *ONLY, more=account.more)

    assert (1, b"--force" in kept.stderr, {}) == (kept.returncode, True, account.emulator.counts)

    replaced = call(None, tmp_path, "verify", "--yes", "--force", "--only", "upload-policy", more=account.more)
    assert (0, 1) == (replaced.returncode, account.emulator.counts["policy"])


@pytest.mark.parametrize(
    ("arguments", "more", "status", "complaint"),
    [
        (["--only", "nothing"], {"DASHSCOPE_API_KEY": KEY}, 2, "no such probe; expected one of models, hosts"),
        (["--output", "nowhere/found.json"], {"DASHSCOPE_API_KEY": KEY}, 1, "cannot be written"),
        ([], {}, 1, "Set DASHSCOPE_API_KEY"),
        (["--yes"], {"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_REGION": "moon"}, 1, "DASHSCOPE_REGION"),
    ],
)
def test_mistakes(arguments: list[str], more: dict[str, str], status: int, complaint: str, tmp_path: Path) -> None:
    done = call(None, tmp_path, "verify", *arguments, more=more)

    assert (status, True) == (done.returncode, complaint in done.stderr.decode())


def test_a_refused_key_is_reported(tmp_path: Path) -> None:
    with serve(create_app(Scripted(()), keys=frozenset({"another"}))) as root:
        more = {"DASHSCOPE_BASE_URL": root, "DASHSCOPE_API_KEY": KEY}
        done = call(None, tmp_path, "verify", "--yes", "--only", "upload-policy", more=more)

    assert (1, True) == (done.returncode, b"refuses the key" in done.stderr)


def test_the_bundled_speech_has_its_text_in_eight_seconds() -> None:
    pcm = speech()

    assert 7.0 < len(pcm) / 32_000 <= 8.0
    heard = " ".join(sentence.text for sentence in Moonshine().recognise([pcm]))
    assert error_rate(SPOKEN, heard) < 0.15
