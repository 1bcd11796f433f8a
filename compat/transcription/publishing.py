"""Publishes audio for DashScope to fetch: by links to this server, or by signed links to an S3-compatible bucket."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec

from compat.config import extras
from compat.errors import FileNotFetched
from compat.transcript import Media

if TYPE_CHECKING:
    from obstore.store import S3Config

PART = 8 << 20  # bytes of one part of an upload; an upload takes PART times PARTS bytes of memory
PARTS = 3  # parts of an upload under way at a time
TOKEN = re.compile(r"[\w-]{43}(\.\w+)?", re.ASCII)
LONGEST = 7 * 86400.0  # longest validity of a signature in S3, in seconds


class PublishedFile(msgspec.Struct, frozen=True):
    path: str
    mime: str


class Links:
    """Links to the files of jobs under way. A link cannot be guessed, and only this server can serve it."""

    def __init__(self, root: str, folder: Path | None = None) -> None:
        """`root` is the address at which DashScope reaches this server. `folder` is for notes on the files, in which
        its other workers find them."""
        self._root = root
        self._folder = folder
        self._files: dict[str, PublishedFile] = {}

    @contextlib.contextmanager
    def published(self, media: Media) -> Iterator[str]:
        """Yield an address of the file that is valid while the context is open. It ends with the file's suffix, because
        some downloaders need that."""
        token = f"{secrets.token_urlsafe(32)}{media.suffix}"
        note = self._folder and self._folder / token
        file = self._files[token] = PublishedFile(str(media.path), media.mime)
        try:
            if note:
                note.write_bytes(msgspec.json.encode(file))
            yield f"{self._root}/files/{token}"
        finally:
            del self._files[token]
            if note:
                note.unlink(missing_ok=True)

    def find(self, token: str) -> PublishedFile | None:
        """Return the file of a link, or None if it is not published any more."""
        if (file := self._files.get(token)) is None and self._folder and TOKEN.fullmatch(token):
            with contextlib.suppress(OSError):
                file = msgspec.json.decode((self._folder / token).read_bytes(), type=PublishedFile)
        return file if file is not None and Path(file.path).exists() else None


class Bucket:
    """An S3-compatible bucket. `address` has the form of COMPAT_BUCKET. `key` is the id and the secret of an access
    key; with None it is looked up as AWS's tools do."""

    def __init__(self, address: str, key: tuple[str, str] | None, *, seconds: float) -> None:
        """Links are valid for `seconds`. Raises SettingsError if the extra `bucket` is not installed."""
        extras.need("bucket", "COMPAT_BUCKET")
        from obstore.store import S3Store

        name, self._prefix, options = config(address, key)
        plain = options.get("endpoint", "").startswith("http:")
        self._store = S3Store(name, config=options, client_options={"allow_http": plain})
        self._expiry = timedelta(seconds=min(seconds, LONGEST))

    @contextlib.asynccontextmanager
    async def published(self, media: Media) -> AsyncIterator[str]:
        """Upload the file and yield a signed link. The object is deleted when the context ends; only a crash leaves it.

        Raises FileNotFetched if the upload fails, so that the file is published in another way.
        """
        import obstore
        from obstore.exceptions import BaseError

        path = f"{self._prefix}{secrets.token_hex(16)}{media.suffix}"
        try:
            await obstore.put_async(self._store, path, media.path, chunk_size=PART, max_concurrency=PARTS)
            link = await obstore.sign_async(self._store, "GET", path, self._expiry)
        except (BaseError, OSError) as exc:
            raise FileNotFetched(f"The upload to the bucket failed ({type(exc).__name__}).") from exc
        try:
            yield link
        finally:
            with contextlib.suppress(BaseError, OSError):
                await asyncio.shield(obstore.delete_async(self._store, path))


def config(address: str, key: tuple[str, str] | None) -> tuple[str, str, S3Config]:
    """Return the bucket's name, the prefix of its objects and the client's options.

    Alibaba's OSS provides the S3 API at an address that begins with the bucket's name (Object Storage Service, "Use
    Amazon S3 SDKs to access OSS", 2026).
    """
    parts = urlsplit(address)
    given = dict(parse_qsl(parts.query))
    name, prefix = parts.hostname or "", parts.path.strip("/")
    options: S3Config = {"region": given["region"]}
    if "endpoint" in given:
        options["endpoint"] = given["endpoint"]
    if parts.scheme == "oss":
        endpoint = given.get("endpoint", f"https://s3.oss-{given['region']}.aliyuncs.com")
        scheme, _, host = endpoint.partition("://")
        options["endpoint"] = f"{scheme}://{name}.{host}"
        options["virtual_hosted_style_request"] = True
    if key is not None:
        options["access_key_id"], options["secret_access_key"] = key
    return name, f"{prefix}/" if prefix else "", options
