"""`doctor`: the probes of DashScope's surfaces and the table of settings."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from compat.cli import checks
from compat.cli.checks import Finding
from compat.cli.doctor import LIVE, PROBES, TRANSLATION, configuration, examine, local_engine
from compat.config.settings import Settings
from compat.emulator.app import create_app
from compat.emulator.engines.scripted import Scripted
from tests.cli.command import call
from tests.running import running_server
from tests.servers import serve
from tests.witnesses import free_port

ADDRESS = "base addresses end in /v1: give clients http://127.0.0.1:"
SURFACES = (*PROBES, LIVE, TRANSLATION)


async def test_every_surface_of_the_emulator_responds() -> None:
    with serve(create_app(Scripted(()))) as root:
        findings = await examine(Settings(base_url=root), "a-key")

    assert [(name, "ok", "answers") for name in SURFACES] == [
        (finding.surface, finding.state, finding.answer) for finding in findings
    ]


async def test_a_refused_key_is_reported() -> None:
    with serve(create_app(Scripted(()), keys=frozenset({"right"}))) as root:
        findings = await examine(Settings(base_url=root), "wrong")

    assert [False] * len(SURFACES) == [finding.healthy for finding in findings]
    assert all("key" in finding.answer for finding in findings)


async def test_a_wrong_base_url_is_reported() -> None:
    with serve(create_app(Scripted(()))) as root, serve(Starlette()) as other:
        findings = [finding for url in (f"{root}/v2", other) for finding in await examine(Settings(base_url=url), "k")]

    assert {(False, "is not at this address: check DASHSCOPE_BASE_URL and DASHSCOPE_REGION.")} == {
        (finding.healthy, finding.answer) for finding in findings if finding.surface not in (LIVE, TRANSLATION)
    }
    assert not any(finding.healthy for finding in findings)


async def test_an_unreachable_service_is_reported() -> None:
    findings = await examine(Settings(base_url="http://127.0.0.1:9"), "a-key")

    assert all("cannot be reached" in finding.answer for finding in findings)


async def test_the_fallback_account_is_probed() -> None:
    with serve(create_app(Scripted(()))) as root:
        settings = Settings(
            base_url=root,
            fallback_api_key="another-key",
            fallback_base_url="http://127.0.0.1:9",
        )
        findings = await examine(settings, "a-key")

    assert [True] * len(SURFACES) == [finding.healthy for finding in findings[: len(SURFACES)]]
    others = findings[len(SURFACES) :]
    assert [f"fallback: {name}" for name in SURFACES] == [finding.surface for finding in others]
    assert all("cannot be reached" in finding.answer for finding in others)


def test_no_key_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(dashscope_api_key="sk-secret", api_keys=("callers-secret",))

    Console().print(configuration(settings))

    shown = capsys.readouterr().out
    assert "secret" not in shown
    assert "1 known keys" in shown


@pytest.mark.parametrize("model", ["fun-asr-realtime", "paraformer-realtime-8k-v2", "qwen-audio-3.1-asr-flash-message"])
async def test_the_configured_live_model_is_probed(model: str) -> None:
    with serve(create_app(Scripted(()))) as root:
        findings = await examine(Settings(base_url=root, live_model=model), "a-key")

    assert (LIVE, "ok", "answers") == (findings[-2].surface, findings[-2].state, findings[-2].answer)


@pytest.mark.parametrize(
    ("model", "state", "answer"),
    [
        ("qwen3-livetranslate-flash-realtime", "ok", "answers"),
        ("qwen3.8-livetranslate-flash-realtime", "ok", "answers"),
        ("qwen-mt-flash", "off", "qwen-mt-flash translates the sentences of live speech."),
        ("qwen3-asr-flash-realtime", "off", "qwen3-asr-flash-realtime does not translate live speech"),
    ],
)
async def test_the_configured_model_for_live_translation_is_probed(model: str, state: str, answer: str) -> None:
    with serve(create_app(Scripted(()))) as root:
        findings = await examine(Settings(base_url=root, live_translation_model=model), "a-key")

    assert (TRANSLATION, state) == (findings[-1].surface, findings[-1].state)
    assert findings[-1].answer.startswith(answer)


@pytest.mark.parametrize(
    ("code", "model", "advice"),
    [
        ("AccessDenied", "qwen3.8-livetranslate-flash-realtime", "set DASHSCOPE_WORKSPACE_ID"),
        (
            "AccessDenied",
            "qwen3.5-livetranslate-flash-realtime",
            "in DASHSCOPE_REGION",
        ),
        ("ModelNotFound", "qwen3.8-livetranslate-flash-realtime", "set DASHSCOPE_WORKSPACE_ID"),
    ],
)
async def test_a_refused_model_for_live_translation_names_the_setting(code: str, model: str, advice: str) -> None:
    """DashScope refuses it at the upgrade."""
    with serve(refusing(code)) as root:
        findings = await examine(Settings(base_url=root, live_translation_model=model), "a-key")

    assert (TRANSLATION, "fault") == (findings[-1].surface, findings[-1].state)
    assert advice in findings[-1].answer


def refusing(code: str) -> Starlette:
    """Return a service that refuses live sessions with this code."""

    async def refuse(socket: WebSocket) -> None:
        status = 404 if code == "ModelNotFound" else 403
        await socket.send_denial_response(JSONResponse({"code": code, "message": "Refused."}, status))

    return Starlette(routes=[WebSocketRoute("/api-ws/v1/realtime", refuse)])


def states(findings: list[Finding]) -> dict[str, str]:
    return {finding.surface: finding.state for finding in findings}


async def test_this_machine_is_checked(tmp_path: Path) -> None:
    settings = Settings(spool=tmp_path, store=str(tmp_path / "jobs.sqlite"), webhook_secret=b"of the tests")
    without = Settings(spool=tmp_path / "none", store="redis://127.0.0.1:9/0")

    expected = dict.fromkeys(("FFmpeg", "disk", "webhooks", "job store"), "ok") | {"WebRTC": "off"}
    assert expected == states(await checks.machine(settings))
    faults = {finding.surface: finding.answer for finding in await checks.machine(without) if not finding.healthy}
    assert {"disk", "job store"} == set(faults)
    assert "set COMPAT_SPOOL to a folder that can." in faults["disk"]
    assert "Is Redis running, and is its address in COMPAT_STORE right?" in faults["job store"]


@pytest.mark.parametrize(
    ("behind", "state", "answer"),
    [
        (0.0, "ok", "agrees"),
        (3600.0, "fault", "s behind DashScope's: synchronise it"),
        (-3600.0, "fault", "s ahead of DashScope's: synchronise it"),
    ],
)
async def test_the_clock_is_compared_with_dashscope_s(behind: float, state: str, answer: str) -> None:
    with serve(Starlette()) as root:
        finding = await checks.clock(root, lambda: time.time() - behind)
    unknown = await checks.clock("http://127.0.0.1:9")

    assert (state, "off") == (finding.state, unknown.state)
    assert answer in finding.answer


@pytest.mark.parametrize(
    ("settings", "state", "answer"),
    [
        ({"webrtc_port": None}, "off", "set COMPAT_WEBRTC_PORT"),
        ({}, "ok", "is free (UDP and TCP); answers name the address of each request"),
        ({"webrtc_tcp": False, "webrtc_address": ("203.0.113.7",)}, "ok", "(UDP); answers name 203.0.113.7"),
        ({"webrtc_host": "203.0.113.7"}, "fault", "set COMPAT_WEBRTC_HOST to an address of this machine"),
        ({"webrtc_host": "127.0.0.1", "webrtc_address": ("203.0.113.7",)}, "fault", "nothing from other machines"),
        ({"public_url": "https://asr.example.com"}, "fault", "set COMPAT_WEBRTC_ADDRESS"),
    ],
)
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
async def test_the_port_of_calls_is_bound(
    tmp_path: Path, settings: dict[str, Any], state: str, answer: str, kind: socket.SocketKind
) -> None:
    given = {"spool": tmp_path, "webrtc_port": free_port(), **settings}
    found = checks.calls_port(Settings(**given))
    with contextlib.closing(socket.socket(socket.AF_INET, kind)) as other:
        other.bind(("0.0.0.0", given["webrtc_port"] or 0))
        other.listen() if kind == socket.SOCK_STREAM else None
        taken = checks.calls_port(Settings(**given))

    assert (state, True) == (found.state, answer in found.answer)
    if state == "ok" and (kind == socket.SOCK_DGRAM or given.get("webrtc_tcp", True)):
        assert ("off", True) == (taken.state, "by the running server" in taken.answer)


async def test_the_local_engine_is_started_and_asked() -> None:
    assert {"local engine": "ok", LIVE: "ok", TRANSLATION: "ok"} == states(await local_engine("tones"))


@pytest.mark.parametrize(
    ("path", "key", "faults"),
    [
        ("/v1", "a-good-key", {}),
        ("/v1", "wrong", dict.fromkeys(("models", LIVE, TRANSLATION), "set OPENAI_API_KEY")),
        *((path, "a-good-key", {"address": ADDRESS}) for path in ("", "/", "/v2", "/v1/realtime", "/openai/v1/audio")),
    ],
)
async def test_a_running_server_is_checked(path: str, key: str, faults: dict[str, str]) -> None:
    with running_server(Scripted(()), api_keys=frozenset({"a-good-key"})) as server:
        found = await checks.server(server.base_url.replace("/v1", path), key)
    gone = await checks.server("http://127.0.0.1:9/v1", key)

    assert ["server", "ready", "models", LIVE, TRANSLATION] == [
        each.surface for each in found if each.surface != "address"
    ]
    assert faults.keys() == {finding.surface for finding in found if not finding.healthy}
    assert all(faults[finding.surface] in finding.answer for finding in found if not finding.healthy)
    assert [("server", "fault")] == [(finding.surface, finding.state) for finding in gone]


def test_the_exit_status_is_1_if_a_check_fails(tmp_path: Path) -> None:
    with running_server(Scripted(())) as server:
        good = call(None, tmp_path, "doctor", "--url", server.base_url)
    bad = call(None, tmp_path, "doctor", "--url", "http://127.0.0.1:9/v1")

    assert (0, True) == (good.returncode, good.stdout.decode().endswith("\nAll checks passed.\n"))
    wrong = call(None, tmp_path, "doctor", "--url", "localhost:8000")
    key = call(None, tmp_path, "doctor", "--url", "http://127.0.0.1:9/v1", more={"OPENAI_API_KEY": "ключ"})
    assert (2, True) == (key.returncode, b"A key is one line of ASCII characters." in key.stderr)
    assert b"ok     live speech: a session opens (" in good.stdout
    assert (2, True) == (wrong.returncode, b"is not an address such as" in wrong.stderr)
    assert (1, True) == (bad.returncode, b"is the server running" in bad.stdout)
