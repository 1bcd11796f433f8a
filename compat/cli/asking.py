"""The options of `transcribe`. See `spellings` for the names that other command lines give them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from compat.cli.arguments import FormatChoice, TextParam
from compat.cli.outputs import Wanted
from compat.cli.playback import SHAPES
from compat.cli.recordings import STANDARD, TRANSCRIPTS
from compat.cli.shapes import ALL, ALL_DIARIZED, CAPTIONS, FORMATS, NAMED
from compat.cli.spellings import WORDS
from compat.transcript import LAYOUT_LIMITS

MEANINGS: Final = {
    "max_line_width": "columns of a line; a full-width character takes two. Default: 42",
    "max_line_count": "lines of a cue. Default: 2",
    "max_words_per_line": "words of a line",
}
UNNAMED: Final = FORMATS.keys() - NAMED
WORDED: Final = ("verbose_json", *CAPTIONS)


def paths(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Leave the completion of file names to the shell."""
    return [CompletionItem(typed, type="file")]


def folders(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[CompletionItem]:
    return [CompletionItem(typed, type="dir")]


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of requests and of their results."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _limit(name: str, most: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    meaning = f"With srt and vtt: {MEANINGS[name]}."
    kind = click.IntRange(1, most)
    return click.option(f"--{name.replace('_', '-')}", name, type=kind, help=meaning)


_OPTIONS: Final[tuple[Callable[[Callable[..., None]], Callable[..., None]], ...]] = (
    click.option(
        "-f", "--format", "shapes",
        type=FormatChoice([*FORMATS, "all"]), multiple=True,
        help="Format of the transcript; several are possible.  [default: text]",
    ),
    click.option(
        "-o", "--out",
        help="Folder for the transcripts, or - for standard output. Default: beside each recording.",
        shell_complete=folders,
    ),
    click.option("-m", "--model", type=TextParam(), help="Model to use. Default: depends on the other options."),
    click.option("--language", type=TextParam(), help="Language spoken, if known."),
    click.option("--prompt", type=TextParam(), help="Text that gives the context."),
    click.option("--keyword", "keywords", type=TextParam(), multiple=True, help="Word that may occur; repeatable."),
    click.option(WORDS, is_flag=True, help="Times of words, in verbose_json."),
    click.option(
        "--timestamp-granularities", "granularities",
        type=click.Choice(["word", "segment"]), multiple=True, help="Times in verbose_json; repeatable.",
    ),
    click.option("--temperature", type=click.FloatRange(0, 1), help="Temperature, for servers that sample."),
    click.option("--diarize", is_flag=True, help="Identify the speakers."),
    click.option("--translate", is_flag=True, help="Translate to English."),
    click.option("--task", type=click.Choice(["transcribe", "translate"]), hidden=True),  # of Whisper
    click.option("--to", type=click.Choice(["english"]), help="The same."),
    *(_limit(name, most) for name, most in LAYOUT_LIMITS.items()),
    click.option("-j", "--jobs", type=click.IntRange(1, 64), default=4, show_default=True, help="Files at a time."),
    click.option("--stream", is_flag=True, help="Print the text while it is recognised."),
    click.option("--live", is_flag=True, help="Stream each recording in real time and print captions."),
    click.option("--fast", is_flag=True, help="With --live: stream as fast as possible."),
    click.option("--force/--skip-existing", help="Overwrite existing transcripts, or keep them (default)."),
    click.option("--quiet", is_flag=True, help="Print errors only."),
    click.option("--json", "lines", is_flag=True, help="Print a JSON line for each finished recording."),
)  # fmt: skip


def wanted(
    shapes: tuple[str, ...],
    out: str | None,
    *,
    diarize: bool,
    translate: bool,
    word_timestamps: bool,
    granularities: tuple[str, ...],
    live: bool,
    fast: bool,
    stream: bool,
    standard_input: bool,
    lines: bool,
    quiet: bool,
    jobs: int,
    limits: dict[str, int],
    **others: Any,  # noqa: ANN401 - fields of Wanted
) -> Wanted:
    """Return what is wanted. Raises click.UsageError for options that exclude each other."""
    every = ALL_DIARIZED if diarize else tuple(shape for shape in ALL if not live or shape in SHAPES)
    chosen = [one for shape in shapes or ("text",) for one in (every if shape == "all" else (shape,))]
    chosen = list(dict.fromkeys(chosen))
    _check_formats(chosen, diarize=diarize, translate=translate)
    to_standard = out == STANDARD or (out is None and standard_input)
    if len(chosen) > 1 and to_standard:
        raise click.UsageError("Standard output takes one format: name one, or a folder with --out.")
    if lines and (to_standard or stream):
        raise click.UsageError("--json and transcripts cannot share standard output: name a folder with --out.")
    if live and (diarize or translate or stream or set(chosen) - {*SHAPES}):
        raise click.UsageError(f"--live supports {', '.join(SHAPES)}, without --diarize, --to and --stream.")
    if stream and (diarize or translate or quiet or chosen != ["text"]):
        raise click.UsageError("--stream supports text only, without --diarize, --to and --quiet.")
    if limits and not set(chosen) & {*CAPTIONS}:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in limits)
        raise click.UsageError(f"{named}: requires --format {' or '.join(CAPTIONS)}.")
    if granularities and "verbose_json" not in chosen:
        raise click.UsageError("--timestamp-granularities: requires --format verbose_json.")
    if word_timestamps and not set(chosen) & {*WORDED}:
        raise click.UsageError(f"--word-timestamps: requires --format {', '.join(WORDED)}.")
    if fast and not live:
        raise click.UsageError("--fast requires --live.")
    _check_out(out)
    if word_timestamps and not granularities and "verbose_json" in chosen:
        granularities = ("word", "segment")
    return Wanted(
        shapes=tuple(chosen),
        diarize=diarize,
        translate=translate,
        granularities=granularities,
        stream=stream,
        at_once=jobs,
        limits=limits,
        **others,
    )


def _check_formats(shapes: list[str], *, diarize: bool, translate: bool) -> None:
    if diarize and translate:
        raise click.UsageError("--diarize and --to exclude each other.")
    if unnamed := [shape for shape in shapes if diarize and shape in UNNAMED]:
        raise click.UsageError(f"--format {unnamed[0]} has no speakers: --diarize requires {', '.join(NAMED)}.")
    if translate and "diarized_json" in shapes:
        raise click.UsageError("--format diarized_json and --to exclude each other.")
    same = [shape for shape in shapes if FORMATS[shape] == "json"]
    if len(same) > 1:
        raise click.UsageError(f"--format {' and '.join(same)} would be the same file: choose one.")
    if len(shapes) > 1 and "diarized_json" in shapes and not diarize:
        raise click.UsageError("--format diarized_json with others requires --diarize.")
    if len(shapes) > 1 and diarize and "verbose_json" in shapes:
        raise click.UsageError("--diarize with several formats supports text and diarized_json.")


def _check_out(out: str | None) -> None:
    if out == "":  # an empty shell variable must not select the current folder
        raise click.UsageError("--out is empty: name a folder, or - for standard output.")
    if out and Path(out).suffix in TRANSCRIPTS and not Path(out).is_dir():
        raise click.UsageError(f"--out must name a folder, not a file such as {out}; for one file: --out - > {out}")
