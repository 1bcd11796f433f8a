"""qwen-asr-compat transcribe: recordings to text and subtitles, through any server that speaks OpenAI's audio API.

Exit status: 0 when every recording has its transcript, now or from before; 1 when some failed; 2 for a wrong command.
"""

from __future__ import annotations

import contextlib

import click

from compat.transcribe import server
from compat.transcribe.plan import STANDARD, Wanted, plan
from compat.transcribe.playing import SHAPES, play
from compat.transcribe.report import Report
from compat.transcribe.screen import Kind
from compat.transcribe.uploading import upload

FORMATS = {"text": "txt", "srt": "srt", "vtt": "vtt", "json": "json", "verbose_json": "json", "diarized_json": "json"}


@click.command()
@click.argument("files", metavar="FILE_OR_GLOB...", nargs=-1, required=True)
@click.option("--format", "shape", type=click.Choice(list(FORMATS)), default="text", show_default=True)
@click.option("--out", help="Folder for the transcripts, or - for standard output. Default: beside each recording.")
@click.option("--model", help="Model to ask for, if not the one that such a request suggests.")
@click.option("--language", help="Language spoken, where it is known.")
@click.option("--diarize", is_flag=True, help="Say who speaks.")
@click.option("--to", "to", type=click.Choice(["english"]), help="Translate.")
@click.option("--live", is_flag=True, help="Stream each recording as it is played, and print captions as they settle.")
@click.option("--fast", is_flag=True, help="With --live: as fast as it goes, in place of real time.")
@server.options
@click.option("--force", is_flag=True, help="Transcribe anew what has a transcript, and overwrite it.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("--json", "lines", is_flag=True, help="Print a JSON line for each recording when it is done.")
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
) -> None:
    """Transcribe recordings: paths, patterns such as 'talks/*.mp3', or - for standard input.

    What has its transcript is left alone, so that the same command resumes where it was stopped.
    """
    if diarize and to:
        raise click.UsageError("--diarize and --to exclude each other.")
    if lines and (out == STANDARD or (out is None and STANDARD in files)):
        raise click.UsageError("--json and transcripts cannot share standard output: name a folder with --out.")
    if live and (diarize or to or shape not in SHAPES):
        raise click.UsageError(f"--live gives {', '.join(SHAPES)}, without speakers and translation.")
    if fast and not live:
        raise click.UsageError("--fast goes with --live.")
    wanted = Wanted(shape, model, language, diarize, bool(to), force)
    report = Report(quiet=quiet, lines=lines)
    with contextlib.ExitStack() as stack:
        pieces = plan(files, out, FORMATS[shape], stack)
        waiting = [piece for piece in pieces if force or piece.target is None or not piece.target.exists()]
        for piece in pieces:
            if piece not in waiting:
                report.told(piece, "exists")
        if waiting:
            base = stack.enter_context(server.chosen(base_url, local))
            if live:
                kind: Kind = "json" if lines else "silent" if quiet else "screen"
                play(server.speaking(base, api_key), base, waiting, wanted, kind, report, fast=fast)
            else:
                client = stack.enter_context(server.uploading(base, api_key))
                stack.enter_context(report.showing(waiting))
                upload(client, waiting, wanted, report)
    raise SystemExit(1 if report.failed else 0)
