"""`qwen-asr-compat live`: caption a microphone, or raw audio on standard input.

Exit status: 0 after Ctrl-C or the end of the audio; 1 after an error; 2 for a wrong command.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

import click

from compat.cli import client as server
from compat.cli import sound
from compat.cli.captions import Kind, captions
from compat.cli.listening import MODEL, LiveCaptions, listen
from compat.cli.report import unread

if TYPE_CHECKING:
    from openai import AsyncOpenAI


@click.command()
@click.argument("source", metavar="[-]", type=click.Choice(["-"]), required=False)
@click.option("--device", help="Microphone, by number or part of its name. Default: the system's choice.")
@click.option("--model", default=MODEL, show_default=True, help="Model to use.")
@click.option("--language", help="Language spoken, if known.")
@server.options
@click.option("--quiet", is_flag=True, help="Print final turns only.")
@click.option("--json", "lines", is_flag=True, help="Print a JSON line for each turn.")
def live(
    source: str | None,
    device: str | None,
    model: str,
    language: str | None,
    base_url: str,
    api_key: str,
    local: bool,
    quiet: bool,
    lines: bool,
) -> None:
    """Caption the microphone or raw audio.

    Until Ctrl-C, or, with -, until standard input ends: 16-bit, mono, 24 kHz.
    """
    if source and sys.stdin.isatty():
        raise click.UsageError("Standard input is the terminal: arecord -t raw -f S16_LE -r 24000 -c 1 | … live -")
    if not source:
        sound.recorder()  # fails before a server is started
    name = "standard input" if source else "microphone"
    faults: list[str] = []

    with server.chosen(base_url, local) as base, captions(name, _kind(quiet, lines)) as shown:
        audio = sound.standard_input if source else functools.partial(sound.microphone, device=device)
        client = server.client(base, api_key)

        def fault(message: str) -> None:
            faults.append(message)
            shown.fault(f"{name}: {message}")

        try:
            asyncio.run(_session(client, audio, model, language, shown, fault))
        except BrokenPipeError:
            unread()
        except server.failures() as exc:
            fault(server.reason(exc, base))
    raise SystemExit(1 if faults else 0)


def _kind(quiet: bool, lines: bool) -> Kind:
    return "json" if lines else "lines" if quiet else "screen"


async def _session(
    client: AsyncOpenAI,
    source: Callable[[asyncio.Queue[bytes]], AsyncGenerator[bytes, None]],
    model: str,
    language: str | None,
    shown: LiveCaptions,
    fault: Callable[[str], None],
) -> None:
    """Caption the source. Ctrl-C ends the audio and waits for the last words; a second Ctrl-C ends at once."""
    queue, loop = asyncio.Queue[bytes](), asyncio.get_running_loop()

    def stop() -> None:
        queue.put_nowait(b"")
        loop.remove_signal_handler(signal.SIGINT)

    with contextlib.suppress(NotImplementedError):  # Windows
        loop.add_signal_handler(signal.SIGINT, stop)
    async with client:
        await listen(client, source(queue), model, language, shown, fault)
