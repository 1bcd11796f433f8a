"""The overhead of a 1 MiB upload: a stub of the service, called directly and through the server, interleaved.

    .venv/bin/python benchmarks/overhead.py [--rounds N]

"Stub" sends the stub the bytes that the server sends it (JSON with base64 inside), "this server" sends the server the
multipart form that a client would. Client, server and stub share the machine's cores.
"""

from __future__ import annotations

import argparse
import os
import sys

import uvloop

from benchmarks import report, rounds
from benchmarks.load import as_chat, as_form
from benchmarks.peers import DIRECT_CHAT, OURS, Contender, Field
from benchmarks.processes import ours, stub
from benchmarks.sounds import MIB, noise


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=8)
    count = arguments.parse_args().rounds
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, 1 MiB WAV, {count} interleaved rounds")
    with stub() as service, ours(service.port) as server:
        contenders = {
            DIRECT_CHAT: Contender(DIRECT_CHAT, DIRECT_CHAT, service, as_chat),
            OURS: Contender(OURS, DIRECT_CHAT, server, as_form),
        }
        entrants = Field(contenders, service, {})
        for flying, calls in ((1, 100), (16, 400)):
            found = uvloop.run(rounds.interleaved(entrants, noise(MIB), flying=flying, calls=calls, count=count))
            print("\n" + report.table(found.table(f"{flying} in flight")))


if __name__ == "__main__":
    main()
