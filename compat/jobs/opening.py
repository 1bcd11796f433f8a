"""Opens the job store selected by COMPAT_STORE."""

from __future__ import annotations

from pathlib import Path

from compat.config import extras
from compat.config.variables import SettingsError
from compat.jobs.store import Store

REDIS = ("redis://", "rediss://", "unix://")


def open_store(place: str | None) -> Store:
    """Return the store at a `redis://…` address or a file path. None keeps jobs in memory until the process ends.

    Raises SettingsError.
    """
    if place is not None and place.startswith(REDIS):
        extras.need("redis", "COMPAT_STORE=redis://…")
        from compat.jobs.redis import RedisStore

        try:
            return RedisStore(place)
        except (TypeError, ValueError):
            raise SettingsError(
                "COMPAT_STORE should be an address that redis-py understands: redis://host:6379/0."
            ) from None  # its message may quote a password
    from compat.jobs.sqlite import SqliteStore

    store = SqliteStore(Path(place) if place is not None else None)
    store.check()
    return store
