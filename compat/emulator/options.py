"""Click options of `qwen-asr-compat emulator`; compat.emulator.command applies them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
ENGINES = ("moonshine", "tones", "scripted", "openai")

_OPTIONS = (
    click.option("--engine", type=click.Choice(ENGINES), default="moonshine", show_default=True, help="Speech engine."),
    click.option("--engine-url", envvar="COMPAT_ENGINE_URL", help="Base URL of the server for the engine `openai`."),
    click.option("--engine-key", envvar="COMPAT_ENGINE_KEY", default="", help="API key of that server."),
    click.option("--engine-model", envvar="COMPAT_ENGINE_MODEL", default="", help="Model of that server."),
    click.option("--script", type=FILE, help="JSON file with the results of the engine `scripted`."),
    click.option(
        "--key",
        "keys",
        multiple=True,
        envvar="DASHSCOPE_EMULATOR_KEYS",
        help="API key to accept; without this option any key is accepted.",
    ),
    click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="Change a limit; `list` prints all."),
    click.option(
        "--reading",
        "readings",
        multiple=True,
        metavar="NAME=VALUE",
        help="Change an undocumented detail; `list` prints all.",
    ),
    click.option("--readings", "observed", type=FILE, help="JSON file of readings, as `verify` writes it."),
    click.option(
        "--fault", "faults", multiple=True, metavar="NAME[=TIMES]", help="Add a preset fault; `list` prints all."
    ),
    click.option("--faults", "rules", type=FILE, help="JSON file of faults, in the form of POST /emulator/faults."),
    click.option(
        "--fetch",
        "reach",
        multiple=True,
        type=click.Choice(["loopback", "private", "public"]),
        default=["loopback"],
        show_default=True,
        help="Networks from which audio URLs may be fetched.",
    ),
    click.option("--public-url", help="Public URL behind a proxy; used in upload and result URLs."),
    click.option("--allow-host", "hosts", multiple=True, help="Additional host name to accept."),
    click.option("--control/--no-control", default=True, help="Enable the test routes under /emulator/."),
)


def options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
