"""A ledger in the SQLite file of the job store."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

from compat.spending.records import KEPT, Spent

T = TypeVar("T")
Transact = Callable[[Callable[[sqlite3.Connection], Any]], Awaitable[Any]]
"""Runs a function in a transaction of its own and returns its result."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS spent
  (day INTEGER NOT NULL, client TEXT NOT NULL, model TEXT NOT NULL, requests INTEGER NOT NULL, seconds REAL NOT NULL,
   dollars REAL NOT NULL, unpriced REAL NOT NULL, PRIMARY KEY (day, client, model)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS charged
  (day INTEGER NOT NULL, client TEXT NOT NULL, ms INTEGER NOT NULL, PRIMARY KEY (day, client)) WITHOUT ROWID;
"""
_ADD = """
INSERT INTO spent VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET requests = requests + excluded.requests,
  seconds = seconds + excluded.seconds, dollars = dollars + excluded.dollars, unpriced = unpriced + excluded.unpriced
"""
_CHARGE = """
INSERT INTO charged VALUES (?1, ?2, max(0, ?3)) ON CONFLICT DO UPDATE SET ms = max(0, ms + ?3)
"""


class SqliteLedger:
    def __init__(self, transact: Transact) -> None:
        self._transact = transact

    async def take(self, client: str, day: int, *, least: int, most: int, bound: int) -> int:
        def taken(db: sqlite3.Connection) -> int:
            row = db.execute("SELECT ms FROM charged WHERE day = ? AND client = ?", (day, client)).fetchone()
            left = bound - (row[0] if row else 0)
            ms = min(most, left)
            if ms < least:
                return 0
            db.execute(_CHARGE, (day, client, ms))
            return ms

        ms: int = await self._transact(taken)
        return ms

    async def charge(self, client: str, day: int, ms: int) -> None:
        await self._transact(lambda db: db.execute(_CHARGE, (day, client, ms)).rowcount)

    async def add(self, entries: Iterable[Spent]) -> None:
        rows = [(e.day, e.client, e.model, e.requests, e.seconds, e.dollars, e.unpriced) for e in entries]

        def added(db: sqlite3.Connection) -> None:
            db.executemany(_ADD, rows)
            oldest = max((row[0] for row in rows), default=0) - KEPT
            db.execute("DELETE FROM spent WHERE day <= ?", (oldest,))
            db.execute("DELETE FROM charged WHERE day <= ?", (oldest,))

        await self._transact(added)

    async def spent(self, first: int, end: int) -> list[Spent]:
        query = "SELECT * FROM spent WHERE day >= ? AND day < ? ORDER BY day, client, model"
        rows = await self._transact(lambda db: db.execute(query, (first, end)).fetchall())
        return [Spent(*row) for row in rows]
