"""Live speech coded in tones, over a connection to the service that breaks repeatedly.

    .venv/bin/python benchmarks/live_cuts.py [--minutes M] [--cuts N] [--pace P] [FORMAT …]

Runs every format and both turn modes, P times faster than real time. Prints the wrong turns and exits with 1 if any.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from compat.emulator.engines.tones import Tones
from tests.whole.cutting import Breaks, cut_house
from tests.whole.live_speech import FORMATS, Recording, Turn, make_recording, stream


def wrong(recording: Recording, heard: list[Turn], mode: str) -> tuple[int, int]:
    """Return the number of turns with wrong words, and the largest error of timestamps in ms (0 for commits)."""
    pairs = list(zip(recording.turns, heard, strict=True))
    off = max(max(abs(a.begin_ms - b.begin_ms), abs(a.end_ms - b.end_ms)) for a, b in pairs)
    return sum(a.text != b.text for a, b in pairs), off if mode == "vad" else 0


async def run(recording: Recording, form: str, mode: str, cuts: int, pace: float) -> bool:
    started = time.perf_counter()
    with cut_house(Tones()) as (base_url, wire):
        wire.most_in_a_row = 3
        breaks = Breaks(wire, cuts, recording.length_ms, pace, seed=len(form))
        heard = await stream(base_url, recording, form, mode, breaks)
    words, off = wrong(recording, heard, mode)
    taken = time.perf_counter() - started
    print(
        f"{form:<10} {mode:<8} {len(recording.words):>6} {wire.broken:>5} {words:>12} {off:>9} {taken:>8.0f}",
        flush=True,
    )
    return not words


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--cuts", type=int, default=200)
    arguments.add_argument("--pace", type=float, default=15)
    arguments.add_argument("formats", nargs="*", default=FORMATS)
    given = arguments.parse_args()
    recording = make_recording(given.minutes * 60)
    print(f"{'format':<10} {'turns':<8} {'words':>6} {'cuts':>5} {'wrong turns':>12} {'worst ms':>9} {'seconds':>8}")
    runs = [(form, mode) for form in given.formats for mode in ("vad", "commits")]
    good = [asyncio.run(run(recording, form, mode, given.cuts, given.pace)) for form, mode in runs]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
