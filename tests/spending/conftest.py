from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeAlias

import pytest

from compat.jobs.opening import open_store
from compat.spending.ledger import Ledger
from tests.witnesses import redis_server

OpenLedger: TypeAlias = Callable[[], AbstractAsyncContextManager[Ledger]]


@pytest.fixture(scope="package")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["sqlite", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLedger:
    """Return a function that opens one ledger as another process does."""
    place = str(tmp_path / "jobs.sqlite") if request.param == "sqlite" else request.getfixturevalue("redis")

    @contextlib.asynccontextmanager
    async def ledger() -> AsyncIterator[Ledger]:
        store = open_store(place)
        try:
            yield store.ledger()
        finally:
            await store.close()

    return ledger
