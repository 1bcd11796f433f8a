"""The recordings that a command line names: files, patterns, and folders with their contents."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit

from compat.audio import sniff
from compat.audio.formats import SUFFIXES
from compat.audio.sniff import container_of

STANDARD = "-"
TRANSCRIPTS = frozenset({".txt", ".srt", ".vtt", ".tsv", ".json"})
LONGEST_NAME = 200  # bytes of a name that a URL gives
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
SURE = (sniff.WAV, sniff.FLAC, sniff.OGG, sniff.WEBM, sniff.MKV, sniff.AMR, sniff.WMA, sniff.AVI, sniff.FLV, sniff.AIFF)
IMAGES = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"crx ")


@dataclass(frozen=True)
class Recording:
    """A recording.

    `path`: None for standard input and for a `url`. `place`: the path relative to the named folder or the fixed part of
    the pattern, and the file's name in a `url`.
    """

    path: Path | None
    place: Path
    url: str | None = None

    @property
    def identity(self) -> str:
        """What distinguishes it from others of the same name, in files; empty for standard input. Of a URL it is a
        hash, without the query if the path names the file: signatures change."""
        if self.path is not None:
            return str(self.path.parent.resolve() / self.path.name)
        if self.url is None:
            return ""
        parts = urlsplit(self.url)
        query = "" if self.place.suffix.lower() in SUFFIXES else parts.query
        address = parts._replace(query=query, fragment="").geturl()
        return f"sha256:{sha256(address.encode(errors='surrogateescape')).hexdigest()}"


@dataclass(frozen=True)
class UnreadablePath:
    """A path that cannot be read, and the reason."""

    name: str
    why: str


def find(names: Sequence[str]) -> Iterator[Recording | UnreadablePath]:
    """Yield each recording once.

    In folders, these are the media files (by suffix or first bytes) that are not hidden. Each linked folder is visited
    once.
    """
    seen: set[Path] = set()
    for each in _named(names):
        path = Path(each.name) if isinstance(each, UnreadablePath) else each.path or Path(each.url or STANDARD)
        key = path.parent.resolve() / path.name
        if key not in seen:
            seen.add(key)
            yield each


def _named(names: Sequence[str]) -> Iterator[Recording | UnreadablePath]:
    for name in names:
        path = Path(name)
        if name == STANDARD:
            yield Recording(None, Path("stdin"))
        elif not name:  # an empty shell variable must not select the current folder
            yield UnreadablePath("''", "The file name is empty")
        elif name.lower().startswith(("http://", "https://")):
            place = _named_by(name)
            yield Recording(None, place, name) if place else UnreadablePath(name, "This is not the URL of a recording")
        elif _SCHEME.match(name) and not os.path.lexists(path):
            yield UnreadablePath(name, "Only http:// and https:// addresses are downloaded")
        elif path.is_dir():
            yield from _unless_empty(_walk(path, path, set()), name, "The folder has no recordings")
        elif glob.has_magic(name) and not os.path.lexists(path):
            yield from _unless_empty(_matching(name), name, "No recording matches")
        else:
            yield _file(path, path.parent)


def _unless_empty(
    found: Iterator[Recording | UnreadablePath], name: str, reason: str
) -> Iterator[Recording | UnreadablePath]:
    """Yield what was found at `name`, or an UnreadablePath if nothing was."""
    first = next(found, None)
    yield UnreadablePath(name, reason) if first is None else first
    yield from found


def _named_by(url: str) -> Path | None:
    """Return the name of the file at a URL, or None if it is no URL."""
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0:
            return None
    except ValueError:
        return None
    name = unquote(parts.path).rpartition("/")[2].strip()
    usable = name.isprintable() and not name.startswith(".") and len(name.encode()) <= LONGEST_NAME
    return Path(name if name and usable else parts.hostname or "recording")


def _sounds(path: Path) -> bool:
    """Return whether a file whose suffix is not that of media begins like audio or video. Weak signatures, which text
    may have too, do not count."""
    if path.suffix.lower() in TRANSCRIPTS:
        return False
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        return False
    if head[4:8] == b"ftyp":
        return head[8:12] not in IMAGES
    return head.startswith(b"ID3") or (not head.startswith(b"\xff") and container_of(head) in SURE)


def _file(path: Path, root: Path) -> Recording | UnreadablePath:
    return Recording(path, path.relative_to(root)) if path.is_file() else UnreadablePath(str(path), _reason(path))


def _reason(path: Path) -> str:
    try:
        path.stat()
    except OSError as exc:
        return exc.strerror or str(exc)
    if path.is_fifo():
        return "This is a pipe: use … | qwen-asr-compat transcribe -"
    return "Not a file"


def _matching(pattern: str) -> Iterator[Recording | UnreadablePath]:
    """Yield the matching files: media files only if the pattern has no suffix, and never transcripts."""
    parts = Path(pattern).parts
    root = Path(*parts[: next(number for number, part in enumerate(parts) if glob.has_magic(part))])
    paths = sorted(set(_expanded(root, parts[len(root.parts) :], root)))
    open_suffix = not Path(pattern).suffix
    folders: set[tuple[int, int]] = set()
    for path in paths:
        suffix = path.suffix.lower()
        if path.is_dir():
            yield from _walk(path, root, folders)
        elif suffix in SUFFIXES or not (open_suffix or suffix in TRANSCRIPTS) or (open_suffix and _sounds(path)):
            yield _file(path, root)


def _expanded(folder: Path, parts: tuple[str, ...], root: Path) -> Iterator[Path]:
    """Expand a pattern like glob.glob, but do not follow links that lead outside or in a circle."""
    if not parts or parts == ("**",):
        yield folder
    elif parts[0] == "**":
        for below in _folders(folder, root, set()):
            yield from _expanded(below, parts[1:], root)
    elif not glob.has_magic(parts[0]):
        if os.path.lexists(folder / parts[0]):
            yield from _expanded(folder / parts[0], parts[1:], root)
    else:
        for path in _listed(folder):
            hidden = path.name.startswith(".") and not parts[0].startswith(".")
            if not hidden and fnmatch.fnmatch(path.name, parts[0]) and not _leads_back(path, folder, root):
                yield from _expanded(path, parts[1:], root)


def _folders(folder: Path, root: Path, met: set[Path]) -> Iterator[Path]:
    """Yield the folder and those below it that are not hidden, each once."""
    if (real := folder.resolve()) in met:
        return
    met.add(real)
    yield folder
    for path in _listed(folder):
        if path.is_dir() and not path.name.startswith(".") and not _leads_back(path, folder, root):
            yield from _folders(path, root, met)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _leads_back(path: Path, folder: Path, root: Path) -> bool:
    """Return whether the path is a link to a folder above, which would lead out of the named folder."""
    return path.is_symlink() and any(within.resolve().is_relative_to(path.resolve()) for within in (folder, root))


def _walk(folder: Path, root: Path, met: set[tuple[int, int]]) -> Iterator[Recording | UnreadablePath]:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in met:
            return
        met.add((status.st_dev, status.st_ino))
        paths = sorted(folder.iterdir())
    except OSError as exc:
        yield UnreadablePath(str(folder), exc.strerror or str(exc))
        return
    for path in paths:
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if not _leads_back(path, folder, root):
                yield from _walk(path, root, met)
        elif path.suffix.lower() in SUFFIXES or _sounds(path):
            yield _file(path, root)
