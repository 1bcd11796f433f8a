"""The options of the command that runs the emulator; what they mean is in compat.emulator.command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
ENGINES = ("moonshine", "tones", "scripted")

_OPTIONS = (
    click.option("--engine", type=click.Choice(ENGINES), default="moonshine", show_default=True, help="Speech engine."),
    click.option("--script", type=FILE, help="JSON file of what the engine `scripted` returns."),
    click.option(
        "--key",
        "keys",
        multiple=True,
        envvar="DASHSCOPE_EMULATOR_KEYS",
        help="API key to accept; any key without this option.",
    ),
    click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="Another limit; `list` shows all."),
    click.option(
        "--reading", "readings", multiple=True, metavar="NAME=VALUE", help="Another reading; `list` shows all."
    ),
    click.option("--fault", "faults", multiple=True, metavar="NAME[=TIMES]", help="A usual fault; `list` shows all."),
    click.option("--faults", "rules", type=FILE, help="JSON file of faults, as POST /emulator/faults takes them."),
    click.option(
        "--fetch",
        "reach",
        multiple=True,
        type=click.Choice(["loopback", "private", "public"]),
        default=["loopback"],
        show_default=True,
        help="Where audio at an address may be fetched from.",
    ),
    click.option("--public-url", help="Its address behind a proxy, for upload and result addresses."),
    click.option("--allow-host", "hosts", multiple=True, help="Further host name to answer under."),
    click.option("--control/--no-control", default=True, help="Routes under /emulator/ for tests."),
)


def options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
