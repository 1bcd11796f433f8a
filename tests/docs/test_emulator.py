"""docs/explain/emulator.md names every option, preset, fault, surface and route, and its example of faults is valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import click
import msgspec
import pytest

from compat.emulator import control
from compat.emulator.faults import PRESETS, Fault, Faults, Rule, SurfaceName
from compat.emulator.live_faults import LiveFault
from compat.emulator.live_settings import TaskLimits, TaskReadings, TranslationReadings
from compat.emulator.options import options
from compat.emulator.origins import CONTROLS
from tests.emulator.running import started

PAGE = (Path(__file__).parent.parent.parent / "docs" / "explain" / "emulator.md").read_text()


@click.command()
@options
def command() -> None:
    pass


NAMES = [
    *(option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)),
    *PRESETS,
    *(str(fault.__struct_config__.tag) for fault in (*get_args(Fault), *get_args(LiveFault))),
    *CONTROLS,
    *(f"inference.{name}" for kind in (TaskLimits, TaskReadings) for name in kind.__struct_fields__),
    *(f"livetranslate.{name}" for name in TranslationReadings.__struct_fields__),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_on_the_page(name: str) -> None:
    assert re.search(rf"`[^`]*{re.escape(name)}[^`]*`", PAGE)


def test_all_surfaces_are_on_the_page() -> None:
    [listed] = re.findall(r"The surfaces are (.+)\.", PAGE)

    assert set(get_args(SurfaceName)) == set(re.split(r", | and ", listed))


def test_the_example_of_faults_is_valid() -> None:
    example, end = re.findall(r"emulator/faults -d '(.+?)'", PAGE, re.DOTALL)

    assert [3, 0] == [len(Faults(msgspec.json.decode(text, type=tuple[Rule, ...])).rules) for text in (example, end)]


def test_the_control_routes_are_those_exempt_from_faults() -> None:
    with started() as service:
        assert set(CONTROLS) == {route.path for route in control.routes(service.emulator)}
