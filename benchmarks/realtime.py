"""The overhead of live speech: a stub of the service, called directly and through the server.

.venv/bin/python benchmarks/realtime.py [--sessions N] [--seconds S]
"""

from __future__ import annotations

import argparse

import uvloop

from benchmarks import report
from benchmarks.rows import live


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--sessions", type=int, default=100)
    arguments.add_argument("--seconds", type=float, default=20)
    given = arguments.parse_args()
    print(report.table(live.table({given.sessions: uvloop.run(live.compared(given.sessions, given.seconds))})))


if __name__ == "__main__":
    main()
