"""`qwen-asr-compat transcribe`: transcribe recordings with any server that is compatible with OpenAI's audio API.

Exit status: 0 if every recording has a transcript; 1 if some have none; 2 for a wrong command; 130 after Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from compat.cli import client as server
from compat.cli.captions import Kind
from compat.cli.outputs import OutputPiece, Wanted, plan
from compat.cli.playback import SHAPES, play
from compat.cli.recordings import STANDARD, TRANSCRIPTS
from compat.cli.report import Report
from compat.cli.uploads import upload
from compat.transcript import LAYOUT_LIMITS

INTERRUPTED = 130
FORMATS = {"text": "txt", "srt": "srt", "vtt": "vtt", "json": "json", "verbose_json": "json", "diarized_json": "json"}
NAMED = ("text", "verbose_json", "diarized_json")
CAPTIONS = ("srt", "vtt")
MEANINGS = {
    "max_line_width": "columns of a line; a full-width character takes two. Default: 42",
    "max_line_count": "lines of a cue. Default: 2",
    "max_words_per_line": "words of a line",
}
UNNAMED = FORMATS.keys() - NAMED


def _paths(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Left to the shell, which completes names of files."""
    return [CompletionItem(typed, type="file")]


def _folders(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[CompletionItem]:
    return [CompletionItem(typed, type="dir")]


def _limits(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that limit the lines of captions, with dashes and with Whisper's underscores."""
    for name, most in reversed(LAYOUT_LIMITS.items()):
        dashed = f"--{name.replace('_', '-')}"
        meaning = f"With srt and vtt: {MEANINGS[name]}."
        command = click.option(dashed, f"--{name}", name, type=click.IntRange(1, most), help=meaning)(command)
    return command


@click.command()
@click.argument("files", metavar="PATH...", nargs=-1, required=True, shell_complete=_paths)
@click.option("--format", "shape", type=click.Choice(list(FORMATS)), default="text", show_default=True)
@click.option(
    "--out",
    help="Folder for the transcripts, or - for standard output. Default: beside each recording.",
    shell_complete=_folders,
)
@click.option("--model", help="Model to use. Default: depends on the other options.")
@click.option("--language", help="Language spoken, if known.")
@click.option("--diarize", is_flag=True, help="Identify the speakers.")
@click.option("--to", "to", type=click.Choice(["english"]), help="Translate.")
@_limits
@click.option("--live", is_flag=True, help="Stream each recording in real time and print captions.")
@click.option("--fast", is_flag=True, help="With --live: stream as fast as possible.")
@server.options
@click.option("--force", is_flag=True, help="Overwrite existing transcripts.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
@click.option("--json", "lines", is_flag=True, help="Print a JSON line for each finished recording.")
def transcribe(
    files: tuple[str, ...],
    shape: str,
    out: str | None,
    model: str | None,
    language: str | None,
    diarize: bool,
    to: str | None,
    live: bool,
    fast: bool,
    base_url: str,
    api_key: str,
    local: bool,
    force: bool,
    quiet: bool,
    lines: bool,
    **limits: int | None,
) -> None:
    """Transcribe recordings and video.

    A PATH is a file, a folder, a pattern such as 'talks/*.mp3', or - for standard input.

    Recordings that have a transcript are skipped, so you can stop the command and run it again to continue.
    """
    _check_form(shape, diarize=diarize, translate=bool(to))
    if lines and (out == STANDARD or (out is None and STANDARD in files)):
        raise click.UsageError("--json and transcripts cannot share standard output: name a folder with --out.")
    if live and (diarize or to or shape not in SHAPES):
        raise click.UsageError(f"--live supports {', '.join(SHAPES)}, without --diarize and --to.")
    given = {name: limit for name, limit in limits.items() if limit is not None}
    if given and shape not in CAPTIONS:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"{named}: requires --format {' or '.join(CAPTIONS)}.")
    if fast and not live:
        raise click.UsageError("--fast requires --live.")
    if out == "":  # an empty shell variable must not select the current folder
        raise click.UsageError("--out is empty: name a folder, or - for standard output.")
    if out and Path(out).suffix in TRANSCRIPTS and not os.path.isdir(out):  # noqa: PTH112 - no error either
        raise click.UsageError(f"--out must name a folder, not a file such as {out}; for one file: --out - > {out}")
    wanted = Wanted(shape, model, language, diarize, bool(to), force, given)
    report = Report(quiet=quiet, lines=lines)
    waiting: list[OutputPiece] = []
    try:
        with contextlib.ExitStack() as stack:
            waiting += _waiting(files, out, wanted, report, stack)
            if waiting:
                base = stack.enter_context(server.chosen(base_url, local))
                client = server.client(base, api_key)
                if live:
                    kind: Kind = "json" if lines else "silent" if quiet else "screen"
                    play(client, base, waiting, wanted, kind, report, fast=fast)
                else:
                    stack.enter_context(report.showing(waiting))
                    upload(client, waiting, wanted, report)
    except KeyboardInterrupt:
        report.stopped(len(waiting), kept=out != STANDARD, force=force)
        raise SystemExit(INTERRUPTED) from None
    report.ending()
    raise SystemExit(1 if report.left else 0)


def _check_form(shape: str, *, diarize: bool, translate: bool) -> None:
    """Raise click.UsageError for options that no response format can combine."""
    if diarize and translate:
        raise click.UsageError("--diarize and --to exclude each other.")
    if diarize and shape in UNNAMED:
        raise click.UsageError(f"--format {shape} has no speakers: --diarize requires {', '.join(NAMED)}.")
    if translate and shape == "diarized_json":
        raise click.UsageError("--format diarized_json and --to exclude each other.")


def _waiting(
    files: Sequence[str], out: str | None, wanted: Wanted, report: Report, stack: contextlib.ExitStack
) -> Iterator[OutputPiece]:
    """Yield the recordings without a transcript, and report the others."""
    pieces, unreadable = plan(files, out, FORMATS[wanted.shape], stack)
    for piece in pieces:
        if wanted.force or piece.target is None or not os.path.isfile(piece.target):  # noqa: PTH113 - no error either
            yield piece
        else:
            report.finished(piece, "exists")
    for name in unreadable:
        report.unreadable(name)
    if not (pieces or unreadable):
        report.nothing(files)
