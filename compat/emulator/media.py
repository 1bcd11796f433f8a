"""Fetches the audio of a request into a file: from a data URI, a temporary upload or a URL.

Failures are an enumeration, because each surface has its own message for each.
"""

from __future__ import annotations

import asyncio
import binascii
import enum
from pathlib import Path

import httpx2
import msgspec
import pybase64

from compat.emulator import fetching, sound
from compat.emulator.fetching import OffLimits
from compat.emulator.folder import Folder, Full
from compat.emulator.state import Emulator


class Trouble(enum.Enum):
    MALFORMED = enum.auto()
    URI_TOO_LARGE = enum.auto()
    UNRESOLVED = enum.auto()  # an oss:// URL without X-DashScope-OssResourceResolve
    FAILED = enum.auto()
    OFF_LIMITS = enum.auto()  # the emulator's own rule
    REDIRECTED = enum.auto()  # the emulator's own rule
    FULL = enum.auto()  # the emulator's own limit
    FORBIDDEN = enum.auto()
    MISSING = enum.auto()
    NO_LENGTH = enum.auto()
    TOO_LARGE = enum.auto()
    EMPTY = enum.auto()
    ILLEGAL = enum.auto()
    TOO_LONG = enum.auto()


class MediaTrouble(Exception):
    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.name)
        self.trouble = trouble


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A URL, and the model and account that read it. `inline`: whether data URIs are accepted."""

    url: str
    model: str
    account: str
    resolve: bool
    inline: bool
    max_bytes: int
    max_seconds: float


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """A readable audio file. `own`: it was written for this request and is removed with it."""

    path: Path
    seconds: float
    own: bool

    def close(self) -> None:
        if self.own:
            self.path.unlink(missing_ok=True)


async def fetch(emulator: Emulator, source: Source) -> Sound:
    """Return the audio, which the caller closes. Raises MediaTrouble."""
    own = emulator.folder.new()
    try:
        path = await _located(emulator, source, own)
        seconds = await asyncio.to_thread(_probed, path, source)
    except BaseException as exc:
        own.unlink(missing_ok=True)
        if isinstance(exc, Full):
            raise MediaTrouble(Trouble.FULL) from exc
        raise
    return Sound(path=path, seconds=seconds, own=path == own)


def _probed(path: Path, source: Source) -> float:
    size = path.stat().st_size
    if size > source.max_bytes:
        raise MediaTrouble(Trouble.TOO_LARGE)
    if size == 0:
        raise MediaTrouble(Trouble.EMPTY)
    seconds = sound.duration(path)
    if seconds is None:
        raise MediaTrouble(Trouble.ILLEGAL)
    if seconds > source.max_seconds:
        raise MediaTrouble(Trouble.TOO_LONG)
    return seconds


async def _located(emulator: Emulator, source: Source, own: Path) -> Path:
    """Return the path of the audio: `own`, or that of a temporary upload."""
    scheme = source.url.partition(":")[0].lower()
    if scheme == "data" and source.inline:
        await asyncio.to_thread(_decode, source, own, emulator.folder)
        return own
    if scheme in {"http", "https"}:
        await _download(emulator, source, own)
        return own
    if scheme == "oss":
        return _stored(emulator, source)
    raise MediaTrouble(Trouble.MALFORMED)


def _decode(source: Source, path: Path, folder: Folder) -> None:
    """Decode a data URI into a file. The size limit applies to the encoded URI. Line breaks in it are ignored."""
    if len(source.url) > source.max_bytes:
        raise MediaTrouble(Trouble.URI_TOO_LARGE)
    head, comma, encoded = source.url.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise MediaTrouble(Trouble.MALFORMED)
    try:
        decoded = pybase64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise MediaTrouble(Trouble.ILLEGAL) from exc
    folder.take(len(decoded))
    path.write_bytes(decoded)


def _stored(emulator: Emulator, source: Source) -> Path:
    if not source.resolve:
        raise MediaTrouble(Trouble.UNRESOLVED)
    key = source.url.removeprefix("oss://")
    stored = emulator.objects.get(key)
    if stored is None or stored.expires <= emulator.clock():
        raise MediaTrouble(Trouble.MISSING)
    if (stored.model, stored.account) != (source.model, source.account):
        raise MediaTrouble(Trouble.FORBIDDEN)
    if not key.isascii() or " " in key:  # the service stores such names and fails to read them
        raise MediaTrouble(Trouble.FAILED)
    return stored.path


async def _download(emulator: Emulator, source: Source, path: Path) -> None:
    try:
        async with fetching.get(source.url, emulator.site.reach) as answer:
            _check(answer, source.max_bytes)
            await _save(answer, path, emulator.folder)
    except OffLimits as exc:
        raise MediaTrouble(Trouble.OFF_LIMITS) from exc
    except httpx2.InvalidURL as exc:
        raise MediaTrouble(Trouble.MALFORMED) from exc
    except httpx2.HTTPError as exc:
        raise MediaTrouble(Trouble.FAILED) from exc


def _check(answer: httpx2.Response, max_bytes: int) -> None:
    if answer.status_code in {401, 403}:
        raise MediaTrouble(Trouble.FORBIDDEN)
    if answer.status_code in {404, 410}:
        raise MediaTrouble(Trouble.MISSING)
    if answer.is_redirect:
        raise MediaTrouble(Trouble.REDIRECTED)
    if answer.status_code != 200:
        raise MediaTrouble(Trouble.FAILED)
    if "content-length" not in answer.headers:
        raise MediaTrouble(Trouble.NO_LENGTH)
    if int(answer.headers["content-length"]) > max_bytes:
        raise MediaTrouble(Trouble.TOO_LARGE)


async def _save(answer: httpx2.Response, path: Path, folder: Folder) -> None:
    with path.open("wb") as file:
        async for block in answer.aiter_raw():
            folder.take(len(block))
            file.write(block)
