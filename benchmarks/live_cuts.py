"""Live speech coded in tones, over a connection to the service that breaks repeatedly.

    .venv/bin/python benchmarks/live_cuts.py [--minutes M] [--cuts N] [--pace P] [FORMAT | MODEL …]

Runs every format with qwen3-asr-flash-realtime and every other model with PCM at 24 kHz, each in both turn modes and P
times faster than real time. Prints the number of wrong turns, and exits with 1 if there are any.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from compat.catalogue import live
from compat.emulator.engines.tones import Tones
from tests.whole.cutting import Breaks, cut_house
from tests.whole.live_speech import FORMATS, SILENCE_MS, Recording, Turn, make_recording, stream

PAUSE_MS = 2000  # qwen-audio-3.1-asr-flash-message ends a sentence after 1.3 s of silence, whatever the client asks for
MODELS = tuple(row.known[0] for row in live.MODELS if row.known and row.protocol == "run-task")


def wrong(recording: Recording, heard: list[Turn], mode: str, silence_ms: int) -> tuple[int, int]:
    """Return the number of turns with wrong words, and the largest error of timestamps in ms (0 for commits)."""
    pairs = list(zip(recording.turns, heard, strict=True))
    late = SILENCE_MS - silence_ms
    off = max(max(abs(a.begin_ms - b.begin_ms), abs(a.end_ms - late - b.end_ms)) for a, b in pairs)
    return sum(a.text != b.text for a, b in pairs), off if mode == "vad" else 0


async def run(recording: Recording, name: str, mode: str, cuts: int, pace: float) -> bool:
    form, model = (name, live.DEFAULT) if name in FORMATS else ("pcm-24000", name)
    row = live.row(model)
    ends = SILENCE_MS if row.protocol == "realtime" or "max_sentence_silence" in row.parameters else 0
    started = time.perf_counter()
    with cut_house(Tones()) as (base_url, wire):
        wire.most_in_a_row = 3
        breaks = Breaks(wire, cuts, recording.length_ms, pace, seed=len(name))
        heard = await stream(base_url, recording, form, mode, breaks, model)
    words, off = wrong(recording, heard, mode, ends)
    taken = time.perf_counter() - started
    print(
        f"{name:<35} {mode:<8} {len(recording.words):>6} {wire.broken:>5} {words:>12} {off:>9} {taken:>8.0f}",
        flush=True,
    )
    return not words


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--cuts", type=int, default=200)
    arguments.add_argument("--pace", type=float, default=15)
    arguments.add_argument("names", nargs="*", default=[*FORMATS, *MODELS])
    given = arguments.parse_args()
    recording = make_recording(given.minutes * 60, PAUSE_MS)
    head = ("words", 6), ("cuts", 5), ("wrong turns", 12), ("worst ms", 9), ("seconds", 8)
    print(f"{'format or model':<35} {'turns':<8}", *(f"{name:>{width}}" for name, width in head))
    runs = [(name, mode) for name in given.names for mode in ("vad", "commits")]
    good = [asyncio.run(run(recording, name, mode, given.cuts, given.pace)) for name, mode in runs]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
