"""`qwen-asr-compat live`: caption or translate a microphone, a recording, or raw audio on standard input.

Exit status: 0 after Ctrl-C or the end of the audio; 1 after an error; 2 for a wrong command.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compat.cli import client as server
from compat.cli import interpreting, listening, sound
from compat.cli.arguments import TextParam
from compat.cli.captions import Kind, captions
from compat.cli.interpreting import Languages, VoiceSink, interpret
from compat.cli.listening import listen
from compat.cli.report import decoded_part, printable, unread
from compat.cli.translated import subtitles
from compat.cli.voice import Loudspeaker, saved

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument(
    "source", metavar="[FILE|-]", type=click.Path(exists=True, dir_okay=False, allow_dash=True), required=False
)
@click.option("--device", help="Microphone, by number or part of its name. Default: the system's choice.")
@click.option("--to", "target", type=TextParam(filled=True), help="Translate into this language, such as zh.")
@click.option(
    "--model", type=TextParam(), help=f"Model to use.  [default: {listening.MODEL}, or with --to {interpreting.MODEL}]"
)
@click.option("--language", "--from", "language", type=TextParam(), help="Language spoken, if known.")
@click.option("--prompt", type=TextParam(), help="Text that gives the context; not with --to.")
@click.option(
    "--keyword", "keywords", type=TextParam(), multiple=True, help="Word that may occur; repeatable; not with --to."
)
@click.option("--voice/--no-voice", default=False, help="With --to: play the translation.  [default: no-voice]")
@click.option("--save-voice", type=_FILE, metavar="FILE.wav", help="With --to: write the spoken translation.")
@server.options
@click.option("--fast", is_flag=True, help="Send a file as fast as the server accepts it, not in real time.")
@click.option("--quiet", is_flag=True, help="Print final turns only; with --to, only the translation.")
@click.option(
    "-f",
    "--format",
    "shape",
    type=click.Choice(["text", "json", "srt", "vtt"]),
    default="text",
    help="text or json; live has no captions with times.",
)
@click.option("--json", "lines", is_flag=True, help="The same as --format json: a JSON line for each turn or sentence.")
def live(
    source: str | None,
    device: str | None,
    target: str | None,
    model: str | None,
    language: str | None,
    prompt: str | None,
    keywords: tuple[str, ...],
    voice: bool,
    save_voice: Path | None,
    base_url: str,
    api_key: str,
    local: bool,
    fast: bool,
    quiet: bool,
    shape: str,
    lines: bool,
) -> None:
    """Caption or translate speech as it is spoken.

    From the microphone until Ctrl-C, from a recording, or with - from standard input: 16-bit, mono, 24 kHz.
    """
    _check(source, target, shape, voice=voice or save_voice is not None, fast=fast)
    if target is not None and (prompt or keywords):
        raise click.UsageError("--prompt and --keyword cannot be combined with --to.")
    if save_voice is not None and save_voice.suffix.lower() != ".wav":
        raise click.UsageError(f"--save-voice writes WAV: name it {save_voice.stem}.wav.")
    if not source:
        sound.recorder()  # fails before a server is started
    name = {None: "microphone", "-": "standard input"}.get(source) or printable(str(source))
    kind: Kind = "json" if lines or shape == "json" else "lines" if quiet else "screen"
    faults: list[str] = []

    with contextlib.ExitStack() as stack:
        voices: list[VoiceSink] = [stack.enter_context(saved(save_voice))] if save_voice else []
        voices += [stack.enter_context(Loudspeaker())] if voice else []
        base = stack.enter_context(server.chosen(base_url, local))
        client = server.client(base, api_key)
        shown: Any = stack.enter_context(subtitles(name, kind) if target else captions(name, kind))

        def fault(message: str) -> None:
            faults.append(message)
            shown.fault(f"{name}: {message}")

        def session(spoken: AsyncGenerator[bytes, None]) -> Awaitable[object]:
            if target is None:
                chosen = model or listening.MODEL
                return listen(client, spoken, chosen, language, shown, fault, prompt=prompt, keywords=keywords)
            languages = Languages(target, language)
            return interpret(client, spoken, model or interpreting.MODEL, languages, shown, voices, fault)

        try:
            asyncio.run(_until_stopped(client, _audio(source, device, fast=fast), session))
        except BrokenPipeError:
            unread()
        except server.failures() as exc:
            fault(server.reason(exc, base))
    if source not in (None, "-") and not faults and (missing := sound.missing(Path(str(source)))):
        click.echo(f"{name}: {decoded_part(missing)}", err=True)
    raise SystemExit(1 if faults else 0)


def _check(source: str | None, target: str | None, shape: str, *, voice: bool, fast: bool) -> None:
    """Raise click.UsageError for options that do not fit."""
    if source == "-" and sys.stdin.isatty():
        raise click.UsageError("Standard input is the terminal: arecord -t raw -f S16_LE -r 24000 -c 1 | … live -")
    if fast and source in (None, "-"):
        raise click.UsageError("--fast requires a file.")
    if voice and target is None:
        raise click.UsageError("--voice and --save-voice require --to.")
    if shape in ("srt", "vtt"):
        instead = "A live translation has no times: transcribe --translate has" if target else "transcribe --live has"
        raise click.UsageError(f"There is no --format {shape} of live. {instead} it, for recordings.")


def _audio(
    source: str | None, device: str | None, *, fast: bool
) -> Callable[[asyncio.Queue[bytes]], AsyncGenerator[bytes, None]]:
    match source:
        case None:
            return functools.partial(sound.microphone, device=device)
        case "-":
            return sound.standard_input
        case _:
            return functools.partial(sound.file, path=Path(source), fast=fast)


async def _until_stopped(
    client: AsyncOpenAI,
    source: Callable[[asyncio.Queue[bytes]], AsyncGenerator[bytes, None]],
    session: Callable[[AsyncGenerator[bytes, None]], Awaitable[object]],
) -> None:
    """Run a session. Ctrl-C ends the audio and waits for the last words; a second Ctrl-C ends at once."""
    queue, loop = asyncio.Queue[bytes](), asyncio.get_running_loop()

    def stop() -> None:
        queue.put_nowait(b"")
        loop.remove_signal_handler(signal.SIGINT)

    with contextlib.suppress(NotImplementedError):  # Windows
        loop.add_signal_handler(signal.SIGINT, stop)
    async with client:
        await session(source(queue))
