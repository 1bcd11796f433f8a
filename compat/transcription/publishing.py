"""Addresses of audio for the service to fetch: links to this server, and signed links to an S3-compatible bucket."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from compat.config import extras
from compat.errors import FileNotFetched
from compat.transcript import Media

if TYPE_CHECKING:
    from obstore.store import S3Config

PART = 8 << 20  # bytes; with PARTS under way that is the memory an upload takes
PARTS = 3
LONGEST = 7 * 86400.0  # seconds that S3 lets a signature be good for


class Links:
    """Links to files of jobs under way. A link cannot be guessed, is known to this process only and ends with the
    job's need of it."""

    def __init__(self, root: str) -> None:
        """`root` is the address under which the service reaches this very process."""
        self._root = root
        self._files: dict[str, Media] = {}

    @contextlib.contextmanager
    def published(self, media: Media) -> Iterator[str]:
        """The file's address, for as long as the context is open. It has the file's suffix, because some downloaders
        go by that."""
        token = f"{secrets.token_urlsafe(32)}{media.suffix}"
        self._files[token] = media
        try:
            yield f"{self._root}/files/{token}"
        finally:
            del self._files[token]

    def find(self, token: str) -> Media | None:
        """The file of a link that is still published."""
        return self._files.get(token)


class Bucket:
    """`address` as in COMPAT_BUCKET; `key` is an access key's id and secret, found as AWS's tools do when None."""

    def __init__(self, address: str, key: tuple[str, str] | None, *, seconds: float) -> None:
        """`seconds` that a link is good for. Raises SettingsError without the extra."""
        extras.need("bucket", "COMPAT_BUCKET")
        from obstore.store import S3Store

        name, self._prefix, options = config(address, key)
        plain = options.get("endpoint", "").startswith("http:")
        self._store = S3Store(name, config=options, client_options={"allow_http": plain})
        self._expiry = timedelta(seconds=min(seconds, LONGEST))

    @contextlib.asynccontextmanager
    async def published(self, media: Media) -> AsyncIterator[str]:
        """The file's link. The object goes when the context ends, so that only a crash leaves one.

        Raises FileNotFetched when the bucket does not take it: the file has to go another way.
        """
        import obstore
        from obstore.exceptions import BaseError

        path = f"{self._prefix}{secrets.token_hex(16)}{media.suffix}"
        try:
            await obstore.put_async(self._store, path, media.path, chunk_size=PART, max_concurrency=PARTS)
            link = await obstore.sign_async(self._store, "GET", path, self._expiry)
        except (BaseError, OSError) as exc:
            raise FileNotFetched(f"The bucket did not take the file ({type(exc).__name__}).") from exc
        try:
            yield link
        finally:
            with contextlib.suppress(BaseError, OSError):
                await asyncio.shield(obstore.delete_async(self._store, path))


def config(address: str, key: tuple[str, str] | None) -> tuple[str, str, S3Config]:
    """The bucket's name, the prefix of its objects, and how it is reached. Alibaba's OSS speaks S3 at an address that
    begins with the bucket's name (Object Storage Service, "Use Amazon S3 SDKs to access OSS", 2026)."""
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
