"""Re-encode a file repeatedly, as this server's worker does, to measure how much delay comes from sharing the cores.

python -m benchmarks.servers.bystander FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

from compat.audio import fit, probe
from compat.catalogue.roads import LIMITS

if __name__ == "__main__":
    source = Path(sys.argv[1])
    while True:
        fit.fit(probe.measure(source), source.with_name("bystander"), max_bytes=LIMITS["chat"].size)
