"""`qwen-asr-compat transcribe`: transcribe recordings with any server that is compatible with OpenAI's audio API.

Exit status: 0 if every recording has a transcript; 1 if some have none; 2 for a wrong command; 130 after Ctrl-C.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from compat.cli import asking
from compat.cli import client as server
from compat.cli.captions import Kind
from compat.cli.outputs import OutputPiece, Wanted, obstacle, plan
from compat.cli.playback import play
from compat.cli.recordings import STANDARD
from compat.cli.report import Report
from compat.cli.shapes import FORMATS
from compat.cli.spellings import NOTES, TranscribeCommand, without_effect
from compat.cli.streaming import stream as print_stream
from compat.cli.uploads import upload
from compat.transcript import LAYOUT_LIMITS

INTERRUPTED = 130


@click.command(cls=TranscribeCommand)
@click.argument("files", metavar="PATH...", nargs=-1, required=True, shell_complete=asking.paths)
@asking.options
@server.options
def transcribe(
    files: tuple[str, ...],
    shapes: tuple[str, ...],
    out: str | None,
    task: str | None,
    to: str | None,
    translate: bool,
    live: bool,
    fast: bool,
    base_url: str,
    api_key: str,
    local: bool,
    quiet: bool,
    lines: bool,
    **given: Any,  # noqa: ANN401 - the other options of `asking`
) -> None:
    """Transcribe recordings and video.

    A PATH is a file, a folder, a pattern such as 'talks/*.mp3', a URL, or - for standard input.

    Recordings that have a transcript are skipped, so you can stop the command and run it again to continue.
    """
    limits = {name: limit for name in LAYOUT_LIMITS if (limit := given.pop(name)) is not None}
    wanted = asking.wanted(
        shapes,
        out,
        translate=translate or task == "translate" or bool(to),
        live=live,
        fast=fast,
        standard_input=STANDARD in files,
        lines=lines,
        quiet=quiet,
        limits=limits,
        **given,
    )
    report = Report(quiet=quiet, lines=lines)
    notes = click.get_current_context().meta[NOTES]
    if live and wanted.temperature is not None:
        notes["--temperature"] = "live speech has none"
    for note in without_effect(notes):
        report.note(note)
    waiting: list[OutputPiece] = []
    try:
        with contextlib.ExitStack() as stack:
            waiting += _to_transcribe(files, out, wanted, report, stack)
            if waiting:
                base = stack.enter_context(server.chosen(base_url, local))
                client = server.client(base, api_key)
                if live:
                    kind: Kind = "json" if lines else "silent" if quiet else "screen"
                    play(client, base, waiting, wanted, kind, report, fast=fast)
                elif wanted.stream:
                    print_stream(client, waiting, wanted, report)
                else:
                    stack.enter_context(report.showing(waiting))
                    upload(client, waiting, wanted, report)
    except KeyboardInterrupt:
        report.stopped(len(waiting), kept=out != STANDARD, force=wanted.force)
        raise SystemExit(INTERRUPTED) from None
    report.ending()
    raise SystemExit(1 if report.left else 0)


def _to_transcribe(
    files: Sequence[str], out: str | None, wanted: Wanted, report: Report, stack: contextlib.ExitStack
) -> Iterator[OutputPiece]:
    """Yield the recordings without a transcript that can be written, and report the others."""
    writable: set[Path] = set()
    pieces, unreadable = plan(files, out, [FORMATS[shape] for shape in wanted.shapes], stack)
    report.expected = len(pieces) + len(unreadable)
    for piece in pieces:
        existing = [os.path.isfile(target) for target in piece.targets]  # noqa: PTH113 - no error either
        if existing and all(existing) and not wanted.force:
            report.finished(piece, "exists")
            continue
        if not wanted.force:
            kept = frozenset(target for target, exists in zip(piece.targets, existing, strict=True) if exists)
            piece = dataclasses.replace(piece, kept=kept)
        if why := obstacle(piece, writable):
            report.finished(piece, "failed", why)
        else:
            yield piece
    for name in unreadable:
        report.unreadable(name)
