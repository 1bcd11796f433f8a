"""Calls by WebRTC over networks that lose, delay and double packets: packets that arrived and were not heard.

.venv/bin/python benchmarks/bad_networks.py [--minutes M] [--pace P]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import report
from benchmarks.findings import Table
from compat.webrtc.port import Port, bind
from tests.webrtc.caller import RATE
from tests.webrtc.relay import Relay
from tests.webrtc.test_peer import call

NETWORKS = {"good": {}, "1 % lost": {"lost": 0.01}, "5 % lost": {"lost": 0.05}}
ALSO = {"delayed": 0.03, "doubled": 0.01}


async def measured(seconds: int, pace: float) -> list[list[str]]:
    port = Port(bind("127.0.0.1", 0, tcp=True))
    await port.open()
    lines = []
    for seed, (name, shares) in enumerate(NETWORKS.items()):
        relay = Relay(port.number, seed, **(shares | ALSO))
        await relay.open()
        heard = 0

        def hear(sound: bytes) -> None:
            nonlocal heard
            heard += len(sound) // 2

        async with call(port, bytes(2 * RATE * seconds), relay.instead, pace=pace) as (caller, peer):
            peer.listen(hear)
            await caller.microphone.played.wait()
            await asyncio.sleep(0.5)  # for a packet that may still come
            figures, position = peer.figures, caller.microphone.position
        relay.close()
        lost = figures["lost_packets"] - relay.counts["lost"]
        late = figures["late_packets"] - relay.counts["doubled"]
        packets = str(sum(relay.counts.values()))
        lines.append([name, packets, *(str(relay.counts[each]) for each in ("lost", "delayed", "doubled")),
                      str(max(lost, 0)), str(max(late, 0)), f"{position - heard / RATE:.2f}"])  # fmt: skip
    await port.close()
    return lines


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--pace", type=float, default=5, help="times real time")
    given = arguments.parse_args()
    lines = asyncio.run(measured(int(given.minutes * 60), given.pace))
    head = ("network", "packets", "lost", "delayed", "doubled", "wrongly given up", "thrown away", "s behind")
    print(report.table(Table(f"{given.minutes:g} minutes of sound in each network", head, lines)))


if __name__ == "__main__":
    main()
