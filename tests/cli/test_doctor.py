"""`doctor`: the probes of DashScope's surfaces and the table of settings."""

from __future__ import annotations

import pytest
from rich.console import Console
from starlette.applications import Starlette

from compat.cli.doctor import LIVE, PROBES, configuration, examine
from compat.config.settings import Settings
from compat.emulator.app import create_app
from compat.emulator.engines.scripted import Scripted
from tests.servers import serve

SURFACES = (*PROBES, LIVE)


async def test_every_surface_of_the_emulator_responds() -> None:
    with serve(create_app(Scripted(()))) as root:
        findings = await examine(Settings(base_url=root), "a-key")

    assert [(name, True, "answers") for name in SURFACES] == [
        (finding.surface, finding.healthy, finding.answer) for finding in findings
    ]


async def test_a_refused_key_is_reported() -> None:
    with serve(create_app(Scripted(()), keys=frozenset({"right"}))) as root:
        findings = await examine(Settings(base_url=root), "wrong")

    assert [False] * len(SURFACES) == [finding.healthy for finding in findings]
    assert all("key" in finding.answer for finding in findings)


async def test_a_wrong_base_url_is_reported() -> None:
    with serve(create_app(Scripted(()))) as root, serve(Starlette()) as other:
        findings = [finding for url in (f"{root}/v2", other) for finding in await examine(Settings(base_url=url), "k")]

    assert {(False, "is not at this address: is the base URL right?")} == {
        (finding.healthy, finding.answer) for finding in findings if finding.surface != LIVE
    }
    assert not any(finding.healthy for finding in findings)


async def test_an_unreachable_service_is_reported() -> None:
    findings = await examine(Settings(base_url="http://127.0.0.1:9"), "a-key")

    assert all("cannot be reached" in finding.answer for finding in findings)


async def test_the_fallback_account_and_the_store_are_probed() -> None:
    with serve(create_app(Scripted(()))) as root:
        settings = Settings(
            base_url=root,
            fallback_api_key="another-key",
            fallback_base_url="http://127.0.0.1:9",
            store="redis://127.0.0.1:9/0",
        )
        findings = await examine(settings, "a-key")

    assert [True] * len(SURFACES) == [finding.healthy for finding in findings[: len(SURFACES)]]
    others = findings[len(SURFACES) :]
    assert [*(f"fallback: {name}" for name in SURFACES), "job store"] == [finding.surface for finding in others]
    assert all("cannot be reached" in finding.answer for finding in others)


def test_no_key_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(dashscope_api_key="sk-secret", api_keys=("callers-secret",))

    Console().print(configuration(settings))

    shown = capsys.readouterr().out
    assert "secret" not in shown
    assert "1 known keys" in shown
