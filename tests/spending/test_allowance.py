"""The allowance of a live session, with a clock of its own."""

from __future__ import annotations

import time
from typing import Any

import pytest

from compat.config.keys import KeyEntry
from compat.config.principal import Principal
from compat.errors import QuotaExceeded
from compat.jobs.opening import open_store
from compat.spending.accounting import Accounting
from compat.spending.allowance import STEP, Allowance
from compat.spending.records import DAY

NOON = (int(time.time() // DAY) + 0.5) * DAY
GRANTS: list[tuple[dict[str, Any], list[float], list[float], str]] = [
    # bounds, seconds needed, seconds granted at the start and after each, code of the error beyond
    ({"daily": 100}, [10, 31, 61, 200], [STEP, STEP, 2 * STEP, 3 * STEP, 100], "insufficient_quota"),
    ({"daily": 100}, [95], [STEP, 95], ""),
    ({"daily": 20}, [15, 25], [20, 20, 20], "insufficient_quota"),
    ({"longest": 50}, [10, 60], [50, 50, 50], "session_expired"),
    ({"daily": 100, "longest": 50}, [31, 45, 60], [STEP, 50, 50, 50], "session_expired"),
    ({"daily": 40, "longest": 50}, [31, 45], [STEP, 40, 40], "insufficient_quota"),
]


@pytest.mark.parametrize(("bounds", "needed", "granted", "code"), GRANTS)
async def test_an_allowance_is_granted_in_steps(
    bounds: dict[str, Any], needed: list[float], granted: list[float], code: str
) -> None:
    store, now = open_store(None), NOON
    accounting = Accounting(store.ledger(), clock=lambda: now)
    allowance = Allowance(accounting, Principal("k", entry=KeyEntry(name="alice", digest=b"", **bounds)))
    await allowance.open()
    grants = [allowance.granted]
    for until in needed:
        await allowance.extend(until)
        grants.append(allowance.granted)
    now += DAY  # unused sound goes back to the day on which it was charged
    allowance.used = 5.0
    await allowance.close()
    now -= DAY
    left = await accounting.take("alice", 100, least=1, most=100_000)
    await store.close()

    assert granted == grants
    assert code == (allowance.reason.code if allowance.exhausted else "")
    assert left is not None
    assert 100_000 - (5_000 if "daily" in bounds else 0) == left.ms


async def test_a_session_that_would_have_no_allowance_is_refused() -> None:
    store = open_store(None)
    accounting = Accounting(store.ledger(), clock=lambda: NOON)
    principal = Principal("k", entry=KeyEntry(name="alice", digest=b"", daily=10))
    await accounting.take("alice", 10, least=1, most=10_000)
    with pytest.raises(QuotaExceeded):
        await Allowance(accounting, principal).open()
    await store.close()
