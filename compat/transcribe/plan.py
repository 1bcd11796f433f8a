"""Which recordings there are, and where their transcripts go."""

from __future__ import annotations

import contextlib
import glob
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from tinytag import TinyTag, TinyTagException

STANDARD = "-"


@dataclass(frozen=True)
class Piece:
    """One recording and where its transcript goes; no `target` is standard output. `seconds` is 0 where unknown."""

    source: Path
    name: str
    target: Path | None
    seconds: float


@dataclass(frozen=True)
class Wanted:
    """`model`: None leaves it to how it is asked. `force`: overwrite transcripts that are there."""

    shape: str
    model: str | None
    language: str | None
    diarize: bool
    translate: bool
    force: bool


def plan(files: Sequence[str], out: str | None, suffix: str, stack: contextlib.ExitStack) -> list[Piece]:
    """Raises click.UsageError for what is not there. Of two recordings that would share a transcript's name, the
    second keeps its own suffix: talk.srt, talk.wav.srt."""
    folder = None if out in (None, STANDARD) else Path(str(out))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    taken: set[Path] = set()
    pieces = []
    for source in dict.fromkeys(_found(files)):
        if source is None:
            path = _standard_input(stack)
            target = folder / f"stdin.{suffix}" if folder else None
            pieces.append(Piece(path, "standard input", target, _seconds(path)))
            continue
        target = None if out == STANDARD else (folder or source.parent) / f"{source.stem}.{suffix}"
        if target is not None and (target in taken or target == source):
            target = target.with_name(f"{source.name}.{suffix}")
        if target is not None:
            taken.add(target)
        pieces.append(Piece(source, source.name, target, _seconds(source)))
    return pieces


def _found(files: Sequence[str]) -> Iterator[Path | None]:
    for name in files:
        if name == STANDARD:
            yield None
        elif Path(name).is_file():
            yield Path(name)
        else:
            paths = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - patterns may be absolute
            matches = [Path(path) for path in paths if Path(path).is_file()]
            if not matches:
                raise click.UsageError(f"There is no recording {name}.")
            yield from matches


def _standard_input(stack: contextlib.ExitStack) -> Path:
    file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="stdin-"))  # noqa: SIM115 - the stack closes it
    while block := sys.stdin.buffer.read(1 << 20):
        file.write(block)
    file.flush()
    return Path(file.name)


def _seconds(path: Path) -> float:
    try:
        return TinyTag.get(path).duration or 0.0
    except (TinyTagException, OSError):
        return 0.0


def put(target: Path | None, text: str, *, force: bool) -> None:
    """Whole or not at all."""
    text = text if text.endswith("\n") else f"{text}\n"
    if target is None:
        click.echo(text, nl=False)
        return
    part = target.with_name(f".{target.name}.part")
    part.write_text(text, encoding="utf-8")
    if target.exists() and not force:
        part.unlink()
        raise FileExistsError(f"{target} has come into being meanwhile; --force overwrites it.")
    part.replace(target)
