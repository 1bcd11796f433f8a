"""The overhead of live speech in both protocols and by WebRTC: a stub of the service, called directly and through the
server.

.venv/bin/python benchmarks/realtime.py [--sessions N] [--calls N] [--seconds S]
"""

from __future__ import annotations

import argparse

import uvloop

from benchmarks import calls, report
from benchmarks.rows import live
from benchmarks.sessions import MODELS


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--sessions", type=int, default=100)
    arguments.add_argument("--calls", type=int, default=30)
    arguments.add_argument("--seconds", type=float, default=20)
    given = arguments.parse_args()
    sessions, seconds = given.sessions, given.seconds
    found = {(sessions, protocol): uvloop.run(live.compared(sessions, seconds, protocol)) for protocol in MODELS}
    print(report.table(live.table(found)))
    print(report.table(uvloop.run(calls.compared(given.calls, seconds))))


if __name__ == "__main__":
    main()
