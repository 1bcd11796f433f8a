"""Where the transcripts of recordings go."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from tinytag import TinyTag, TinyTagException

from compat.audio.formats import SUFFIXES
from compat.cli.recordings import STANDARD, TRANSCRIPTS, Recording, UnreadableFolder, find
from compat.cli.sources import Sources


@dataclass(frozen=True)
class OutputPiece:
    """One recording and where its transcript goes; no `target` is standard output. `seconds` is 0 where unknown.
    `sources`: where it is noted whose transcript that is."""

    source: Path
    name: str
    target: Path | None
    seconds: float
    sources: Sources | None = None


@dataclass(frozen=True)
class Wanted:
    """`model`: None leaves it to how it is asked. `force`: overwrite transcripts that are there."""

    shape: str
    model: str | None
    language: str | None
    diarize: bool
    translate: bool
    force: bool


def plan(
    files: Sequence[str], out: str | None, suffix: str, stack: contextlib.ExitStack
) -> tuple[list[OutputPiece], list[UnreadableFolder]]:
    """The recordings, and what was named and cannot be read. Below `out` lie transcripts as recordings do below the
    folder or pattern that they were found by. Raises click.ClickException where `out` cannot be made."""
    recordings, unreadable = [], []
    for found in find(files):
        recordings.append(found) if isinstance(found, Recording) else unreadable.append(found)
    recordings = _without_transcripts(recordings)
    folder = None if out is None or out == STANDARD else _made(Path(out))
    sources = Sources(folder)
    if out == STANDARD:
        targets: list[Path | None] = [None] * len(recordings)
    else:
        targets = [*_targets(recordings, folder, suffix, sources)]
    pieces = []
    for recording, target in zip(recordings, targets, strict=True):
        if recording.path is None:
            path, name = _standard_input(stack), "standard input"
            target = target if out is not None else None
        else:
            path, name = recording.path, str(recording.path)
        pieces.append(OutputPiece(path, name, target, _seconds(path), sources if recording.path else None))
    return pieces, unreadable


def _without_transcripts(recordings: list[Recording]) -> list[Recording]:
    """Shells put transcripts of an earlier call beside their recordings: talks/* is talks/one.mp3 talks/one.txt."""
    paths = [recording.path for recording in recordings if recording.path]
    heard = {path for path in paths if path.suffix.lower() not in TRANSCRIPTS}
    beside = heard | {path.with_suffix("") for path in heard}
    return [
        recording
        for recording in recordings
        if recording.path is None or recording.path in heard or recording.path.with_suffix("") not in beside
    ]


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise click.ClickException(f"No transcripts can be written to {folder}: {exc.strerror}.") from exc
    return folder


def _targets(recordings: Sequence[Recording], folder: Path | None, suffix: str, sources: Sources) -> list[Path]:
    """No two are the same, and none is that of another recording. Recordings of one name from several folders keep
    these folders below `folder`."""
    siblings: dict[Path, list[str] | None] = {}
    places = []
    parents: dict[Path, set[Path]] = defaultdict(set)
    for recording in recordings:
        source = recording.path or Path("stdin")
        if recording.path and source.parent not in siblings:
            siblings[source.parent] = _files(source.parent)
        place = recording.place.with_name(f"{_stem(source, siblings.get(source.parent, []))}.{suffix}")
        places.append((source, place))
        if recording.path:
            parents[place].add(source.absolute().parent)
    targets: dict[Path, None] = {}
    for source, place in places:
        target = source.with_name(place.name)
        if folder and len(parents[place]) > 1:
            target = folder / target.absolute().relative_to(os.path.commonpath(parents[place]))
        elif folder:
            target = folder / place
        target = sources.transcript(source, suffix) or target
        number, first = 1, target
        while target in targets or sources.taken(target, source):
            number += 1
            target = first.with_name(f"{first.stem}.{number}.{suffix}")
        targets[target] = None
    return list(targets)


def _files(folder: Path) -> list[str] | None:
    try:
        return [entry.name for entry in os.scandir(folder) if entry.is_file()]
    except OSError:
        return None


def _stem(source: Path, siblings: Sequence[str] | None) -> str:
    """What a transcript is called before its suffix. It depends on what lies beside the recording and not on the
    command: the next one must find the transcript, and must not take that of talk.mp3 for that of talk.wav."""
    if siblings is None or source.suffix.lower() not in SUFFIXES:
        return source.name
    stem = source.stem.casefold()
    for name in siblings:
        other = Path(name)
        same = other.name.casefold() == stem or (other.stem.casefold() == stem and other.suffix.lower() in SUFFIXES)
        if same and name != source.name:
            return source.name
    return source.stem


def _standard_input(stack: contextlib.ExitStack) -> Path:
    if sys.stdin.isatty():
        raise click.UsageError("Standard input is the terminal: … | qwen-asr-compat transcribe -")
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


def check(target: Path | None) -> None:
    """Before a recording is sent, and paid for. Raises OSError where its transcript could not be written."""
    if target is None:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        raise IsADirectoryError(0, "Is a directory", str(target))
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise PermissionError(0, "No files can be written here", str(target.parent))
    with contextlib.suppress(FileNotFoundError):
        target.lstat()  # a name that is too long


def put(piece: OutputPiece, target: Path, text: str, *, force: bool) -> None:
    """Write it whole or not at all."""
    part = target.with_name(f".{secrets.token_hex(8)}.part")  # the target's own name may be as long as names can be
    try:
        part.write_text(ended(text), encoding="utf-8")
        if target.exists() and not force:
            raise FileExistsError(0, "Written by another program meanwhile (use --force to overwrite)", str(target))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    if piece.sources:
        piece.sources.note(target, piece.source)


def ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
