"""The processor time of a short upload with two workers, beside two servers and two pass-throughs side by side.

Two processes on the same cores cost more a request than one, whatever they do: they compete for caches, and each finds
less to do when it wakes up. The pairs, which share nothing, show how much.
"""

from __future__ import annotations

import contextlib

from benchmarks import rounds
from benchmarks.findings import Bar, Findings
from benchmarks.load import as_chat, as_form
from benchmarks.peers import DIRECT_CHAT, DIRECT_FORM, FLOOR, OURS, Contender, Field, floor
from benchmarks.processes import Pair, ours, stub
from benchmarks.sounds import MIB, noise

NAME = "workers"
TWO = f"{OURS}, 2 workers"
TWICE = f"{OURS}, twice"
FLOOR_TWICE = f"{FLOOR}, twice"


async def measure(quick: bool) -> Findings:
    bars, tables = [], []
    with contextlib.ExitStack() as stack:
        service, enter = stack.enter_context(stub()), stack.enter_context
        port = service.port
        processes = {
            FLOOR: enter(floor(port)),
            FLOOR_TWICE: Pair(enter(floor(port)), enter(floor(port))),
            OURS: enter(ours(port)),
            TWO: enter(ours(port, "--workers", "2")),
            TWICE: Pair(enter(ours(port)), enter(ours(port))),
        }
        contenders = {
            DIRECT_FORM: Contender(DIRECT_FORM, DIRECT_FORM, service, as_form),
            DIRECT_CHAT: Contender(DIRECT_CHAT, DIRECT_CHAT, service, as_chat),
        }
        for name, process in processes.items():
            direct = DIRECT_FORM if name.startswith(FLOOR) else DIRECT_CHAT
            contenders[name] = Contender(name, direct, process, as_form)
        entrants = Field(contenders, service, {})
        for flying, calls in ((1, 60), (4, 120), (16, 240)):
            found = await rounds.interleaved(entrants, noise(MIB), flying=flying, calls=calls, count=4 if quick else 10)
            bars += _bars(found, flying)
            tables.append(found.table(f"1 MiB, {flying} in flight"))
    return Findings(bars, tables)


def _bars(found: rounds.Interleaved, flying: int) -> list[Bar]:
    def times(name: str, one: str) -> float:
        return found.measured[name].processor / found.measured[one].processor

    two, twice = times(TWO, OURS), times(TWO, TWICE)
    figure = (
        f"{two:.2f} ×; pairs: this server {times(TWICE, OURS):.2f} ×, pass-through {times(FLOOR_TWICE, FLOOR):.2f} ×"
    )
    return [
        Bar(f"processor time a request with two workers, {flying} in flight", figure, "≤ 1.1 × one's", two <= 1.1),
        Bar("the same beside two servers that share nothing", f"{twice:.2f} ×", "≤ 1.1 ×", twice <= 1.1),
    ]
