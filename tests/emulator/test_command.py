"""The options of `qwen-asr-compat emulator`: what each changes, and the errors for mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.testclient import TestClient

from compat.emulator import command
from compat.emulator.engine import Hypothesis
from compat.emulator.faults import PRESETS, Refuse
from compat.emulator.live_settings import LiveReadings
from compat.emulator.options import options
from compat.emulator.readings import Readings
from tests.emulator.running import CHAT, GENERATION, data_uri, wav

AUDIO = {"type": "input_audio", "input_audio": {"data": data_uri(wav())}}
ASKED = {"model": "qwen3-asr-flash", "messages": [{"role": "user", "content": [AUDIO]}]}


@click.command()
@options
@click.pass_context
def build(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - those of the options
    ctx.obj.append(command.app(host="127.0.0.1", **given))


def made(*arguments: str, **environment: str) -> Starlette:
    found: list[Starlette] = []
    done = CliRunner().invoke(build, ["--engine", "scripted", *arguments], obj=found, env=environment)
    assert 0 == done.exit_code, done.output
    return found[0]


def chat(app: Starlette, key: str = "sk-any") -> tuple[int, Any]:
    with TestClient(app, base_url="http://localhost") as http:
        answer = http.post(CHAT, json=ASKED, headers={"authorization": f"Bearer {key}"})
    return answer.status_code, answer.json()


def test_without_options_the_script_is_one_sentence() -> None:
    assert "This is the emulator." == chat(made())[1]["choices"][0]["message"]["content"]


def test_a_script(tmp_path: Path) -> None:
    turn = [{"text": "One.", "begin_ms": 0, "end_ms": 900}, {"text": "Two.", "begin_ms": 900, "end_ms": 1500}]
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"turns": [turn], "hypotheses": [[{"text": "One.", "stash": ""}]]}))
    app = made("--script", str(script))

    assert "One. Two." == chat(app)[1]["choices"][0]["message"]["content"]
    assert Hypothesis("One.") == app.state.emulator.engine.listen().finish()


def test_keys() -> None:
    app = made("--key", "sk-one", "--key", "sk-two")
    assert [200, 200, 401] == [chat(app, key)[0] for key in ("sk-one", "sk-two", "sk-three")]

    app = made(DASHSCOPE_EMULATOR_KEYS="sk-one sk-two")
    assert [200, 200, 401] == [chat(app, key)[0] for key in ("sk-one", "sk-two", "sk-three")]


def test_limits_and_readings() -> None:
    emulator = made(
        "--limit", "sync_seconds=1.5", "--limit", "live.idle_seconds=3", "--limit", "live.session_seconds=null",
        "--reading", "live.clear=true", "--reading", "retired=qwen9,qwen8", "--reading", "status_line=field",
    ).state.emulator  # fmt: skip

    assert (1.5, 3.0, None) == (
        emulator.limits.sync_seconds,
        emulator.limits.live.idle_seconds,
        emulator.limits.live.session_seconds,
    )
    assert 10 * 1024 * 1024 == emulator.limits.sync_bytes
    assert emulator.readings.live.clear
    assert ({"qwen8", "qwen9"}, "field") == (emulator.readings.retired, emulator.readings.status_line)


def test_a_file_of_readings_leaves_the_others_at_their_defaults(tmp_path: Path) -> None:
    observed = tmp_path / "observed.json"
    found = {"status_line": "field", "retired": ["qwen9"], "seconds": False, "live": {"clear": True, "usage": True}}
    observed.write_text(json.dumps({"probes": [], "readings": found}))

    readings = made("--readings", str(observed), "--reading", "live.usage=false").state.emulator.readings

    live = LiveReadings(clear=True)
    assert Readings(status_line="field", retired=frozenset({"qwen9"}), seconds=False, live=live) == readings


@pytest.mark.parametrize(
    ("readings", "message"),
    [
        ({"colour": "red"}, "unknown name colour; expected one of annotations"),
        ({"live": {"colour": "red"}}, "unknown name live.colour"),
        ({"live": True}, "unknown name live;"),
        ({"status_line": "nope"}, "status_line should be"),
        ([], "$.readings"),
    ],
)
def test_a_wrong_file_of_readings_is_refused(tmp_path: Path, readings: object, message: str) -> None:
    observed = tmp_path / "observed.json"
    observed.write_text(json.dumps({"readings": readings}))

    done = CliRunner().invoke(build, ["--engine", "scripted", "--readings", str(observed)], obj=[])

    assert (1, True) == (done.exit_code, message in done.output), done.output
    assert f"--readings {observed}" in done.output


def test_a_preset_fault_applies_to_every_call_or_a_number_of_calls() -> None:
    always, once = made("--fault", "throttled"), made("--fault", "throttled=1")

    assert [429, 429] == [chat(always)[0], chat(always)[0]]
    assert "limit_requests" == chat(always)[1]["error"]["type"]
    assert [429, 200] == [chat(once)[0], chat(once)[0]]


@pytest.mark.parametrize("preset", [name for name, found in PRESETS.items() if isinstance(found.get("chat"), Refuse)])
def test_a_preset_refusal_has_the_code_of_its_surface(preset: str) -> None:
    with TestClient(made("--fault", preset), base_url="http://localhost") as http:
        answers = [
            http.post(path, json={}, headers={"authorization": "Bearer k"}).json() for path in (CHAT, GENERATION)
        ]
    compat, native = PRESETS[preset]["chat"], PRESETS[preset]["generation"]

    assert isinstance(compat, Refuse)
    assert isinstance(native, Refuse)
    assert (compat.code, native.code) == (answers[0]["error"]["code"], answers[1]["code"])


def test_a_file_of_faults(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    rule = {"surface": "chat", "fault": {"type": "refuse", "status": 418, "code": "Teapot"}}
    faults.write_text(json.dumps([rule]))

    assert (418, 200) == (chat(app := made("--faults", str(faults)))[0], chat(app)[0])


def test_the_options_of_addresses() -> None:
    site = made(
        "--fetch", "public", "--fetch", "loopback", "--public-url", "https://dashscope.test",
        "--allow-host", "Emulator", "--no-control",
    ).state.emulator.site  # fmt: skip

    assert (frozenset({"public", "loopback"}), "https://dashscope.test", False) == (
        site.reach,
        site.public_url,
        site.control,
    )
    assert all(map(site.known, ("localhost", "dashscope.test", "emulator:8001", "dashscope.aliyuncs.com")))
    assert not site.known("page.example")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limit", "sync_secs=3"], "expected one of sync_bytes"),
        (["--limit", "sync_seconds=soon"], "sync_seconds should be"),
        (["--reading", "status_line=nope"], "status_line should be"),
        (["--fault", "nope"], "expected one of bad-key"),
        (["--fault", "throttled=often"], "=TIMES"),
        (["--fault", "throttled=0"], "=TIMES"),
        (["--limit", "sync_seconds=-1"], "sync_seconds"),
        (["--limit", "sync_seconds=nan"], "sync_seconds"),
        (["--limit", "live.turn_seconds=-1"], "live.turn_seconds"),
        (["--key", ""], "--key"),
        (["--key", "a b"], "--key"),
        (["--key", "sk-one", "--key", "ключ"], "--key"),
        (["--public-url", "notaurl"], "--public-url"),
        (["--public-url", "ftp://dashscope.test"], "--public-url"),
        (["--public-url", "https://"], "--public-url"),
        (["--public-url", "https://dashscope.test/?a=b"], "--public-url"),
        (["--public-url", "https://[::1"], "--public-url"),
        (["--engine", "tones", "--script", __file__], "--engine scripted"),
        (["--script", __file__], "--script"),
        (["--faults", __file__], "--faults"),
        (["--fetch", "everywhere"], "--fetch"),
    ],
)
def test_a_mistake_names_its_option(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(build, ["--engine", "scripted", *arguments], obj=[])

    assert 0 != done.exit_code
    assert message in done.output


@pytest.mark.parametrize(
    ("option", "line"), [("--limit", "sync_bytes=10485760"), ("--reading", "live.clear=false"), ("--fault", "hang  (")]
)
def test_list_prints_all_names(option: str, line: str) -> None:
    done = CliRunner().invoke(build, [option, "list"], obj=[])

    assert 0 == done.exit_code
    assert line in done.output
