"""The plan of `transcribe`: the recordings, and a file or standard output for each transcript."""

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
from compat.cli.recordings import STANDARD, TRANSCRIPTS, Recording, UnreadablePath, find
from compat.cli.sources import Sources

SPARSEST = 50  # bytes a second, less than any codec for speech needs


@dataclass(frozen=True)
class OutputPiece:
    """A recording and the targets of its transcript.

    `target`: a file, or None for standard output; `others`: files for the further formats. `seconds`: the length that
    the recording declares, 0 if unknown. `sources`: the index that records which recording a transcript belongs to.
    `url`: where to download the recording to `source` from. `kept`: targets that exist and are not overwritten.
    `identity`: see `Recording`.
    """

    source: Path
    name: str
    target: Path | None
    seconds: float
    sources: Sources | None = None
    others: tuple[Path, ...] = ()
    url: str | None = None
    kept: frozenset[Path] = frozenset()
    identity: str = ""

    @property
    def targets(self) -> tuple[Path, ...]:
        return () if self.target is None else (self.target, *self.others)


@dataclass(frozen=True)
class Wanted:
    """Options of the request and the output.

    `shapes`: the values of `--format`. `model`: None selects a default that depends on the request.
    `force`: overwrite existing transcripts. `limits`: those of captions that differ from the default, by name.
    `at_once`: recordings that are transcribed at a time.
    """

    shapes: tuple[str, ...]
    model: str | None
    language: str | None
    diarize: bool
    translate: bool
    force: bool
    limits: dict[str, int]
    prompt: str | None = None
    keywords: tuple[str, ...] = ()
    granularities: tuple[str, ...] = ()
    temperature: float | None = None
    at_once: int = 4
    stream: bool = False

    @property
    def shape(self) -> str:
        """The first format, the only one on standard output."""
        return self.shapes[0]


def plan(
    files: Sequence[str], out: str | None, suffixes: Sequence[str], stack: contextlib.ExitStack
) -> tuple[list[OutputPiece], list[UnreadablePath]]:
    """Return the recordings with a target for each suffix, and the paths that cannot be read.

    Transcripts have the same relative paths below `out` as their recordings below the named folder or pattern. Raises
    click.ClickException if `out` cannot be created.
    """
    recordings, unreadable = [], []
    for each in find(files):
        recordings.append(each) if isinstance(each, Recording) else unreadable.append(each)
    recordings = _without_transcripts(recordings)
    folder = None if out is None or out == STANDARD else _created_folder(Path(out))
    sources = Sources(folder)
    if out == STANDARD:
        targets: list[tuple[Path, ...]] = [()] * len(recordings)
    else:
        targets = [*zip(*(_targets(recordings, folder, suffix, sources) for suffix in suffixes), strict=True)]
    pieces = []
    for recording, places in zip(recordings, targets, strict=True):
        if recording.path is not None:
            path, name = recording.path, str(recording.path)
        elif recording.url is not None:
            path, name = _empty(stack, recording.place.suffix), recording.url
        else:
            path, name = _standard_input(stack), "standard input"
            places = places if out is not None else ()
        seconds, index = _seconds(path), sources if recording.identity else None
        first, others = (places[0], places[1:]) if places else (None, ())
        pieces.append(
            OutputPiece(path, name, first, seconds, index, others, recording.url, identity=recording.identity)
        )
    return pieces, unreadable


def _empty(stack: contextlib.ExitStack, suffix: str) -> Path:
    """Return the path of an empty file, which `stack` removes."""
    return Path(stack.enter_context(tempfile.NamedTemporaryFile(prefix="download-", suffix=suffix)).name)


def _without_transcripts(recordings: list[Recording]) -> list[Recording]:
    """Remove transcripts of earlier commands: a shell expands talks/* to talks/one.mp3 talks/one.txt."""
    paths = [recording.path for recording in recordings if recording.path]
    media = {path for path in paths if path.suffix.lower() not in TRANSCRIPTS}
    beside = media | {path.with_suffix("") for path in media}
    return [
        recording
        for recording in recordings
        if recording.path is None or recording.path in media or recording.path.with_suffix("") not in beside
    ]


def _created_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as exc:
        raise click.ClickException(f"Transcripts cannot be written to {folder}: It is not a folder.") from exc
    except OSError as exc:
        raise click.ClickException(f"Transcripts cannot be written to {folder}: {exc.strerror}.") from exc
    return folder


def _targets(recordings: Sequence[Recording], folder: Path | None, suffix: str, sources: Sources) -> list[Path]:
    """Return a target for each recording. Targets are unique, and none is the transcript of another recording.

    If recordings from several folders have the same name, their targets keep these folders below `folder`.
    """
    siblings: dict[Path, list[str] | None] = {}
    places = []
    parents: dict[Path, set[Path]] = defaultdict(set)
    for recording in recordings:
        source = recording.path or (recording.place if recording.url else Path("stdin"))
        if recording.path and source.parent not in siblings:
            siblings[source.parent] = _files(source.parent)
        place = recording.place.with_name(f"{_stem(source, siblings.get(source.parent, []))}.{suffix}")
        places.append((source, place, recording.identity))
        if recording.path:
            parents[place].add(source.absolute().parent)
    targets: dict[Path, None] = {}
    for source, place, identity in places:
        target = source.with_name(place.name)
        if folder and len(parents[place]) > 1:
            target = folder / target.absolute().relative_to(os.path.commonpath(parents[place]))
        elif folder:
            target = folder / place
        target = sources.transcript(identity, suffix) or target
        number, first = 1, target
        while target in targets or sources.taken(target, identity):
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
    """Return the name of a transcript without its suffix.

    The name depends on the files beside the recording and not on the command's arguments. A later command can therefore
    find the transcript, and does not confuse the transcripts of talk.mp3 and talk.wav.
    """
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
    """Return the length that the file's header declares, 0 if none or a placeholder."""
    try:
        seconds = TinyTag.get(path).duration or 0.0
        return seconds if seconds * SPARSEST < path.stat().st_size else 0.0
    except (TinyTagException, OSError):
        return 0.0


def obstacle(piece: OutputPiece, writable: set[Path]) -> str:
    """Return why its transcript cannot be written, or "". Called before anything is sent and paid for.

    `writable` holds the folders in which a file could be created, and gets new ones.
    """
    for target in piece.targets:
        if target in piece.kept:
            continue
        folder = target.parent
        try:
            if folder not in writable:  # permissions do not tell: /proc and a read-only disk refuse everybody
                folder.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=folder).close()
                writable.add(folder)
        except OSError as exc:
            return f"Transcripts cannot be written to {folder}: {exc.strerror}"
        try:
            target.lstat()
        except FileNotFoundError:
            continue
        except OSError as exc:  # the name is too long
            return f"{exc.strerror}: {target}"
        if target.is_dir():
            return f"Is a directory: {target}"
        if target.exists() and not os.access(target, os.W_OK):
            return f"The file is read-only: {target}"
    return ""


def put(piece: OutputPiece, texts: Sequence[str], *, force: bool) -> None:
    """Write the transcript in each format, except those that are kept. Raises FileExistsError if one exists meanwhile,
    unless `force` is set."""
    for target, text in zip(piece.targets, texts, strict=True):
        if target not in piece.kept:
            _put(piece, target, text, force=force)


def _put(piece: OutputPiece, target: Path, text: str, *, force: bool) -> None:
    """Write a transcript atomically."""
    part = target.with_name(f".{secrets.token_hex(8)}.part")  # the target's name plus a suffix could be too long
    try:
        part.write_text(ended(text), encoding="utf-8")
        if target.exists() and not force:
            raise FileExistsError(0, "Written by another program meanwhile (use --force to overwrite)", str(target))
        part.replace(target)
    except OSError as exc:
        if exc.filename == str(part):
            exc.filename = str(target)
        raise
    finally:
        part.unlink(missing_ok=True)
    if piece.sources:
        piece.sources.note(target, piece.identity)


def ended(text: str) -> str:
    """Return `text` with a newline at its end."""
    return text if text.endswith("\n") else f"{text}\n"
