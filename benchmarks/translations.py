"""Live translation: what arrives over a connection that breaks repeatedly, and what a session costs.

    .venv/bin/python benchmarks/translations.py [--minutes M] [--cuts N] [--pace P] [--sessions N] [MODEL …]

Translates speech coded in tones with every model, P times faster than real time, and prints the number of words that
are lost, wrong or doubled, in the text, in the text of the source and in the voice. Then prints the processor time and
the memory of a session beside those of a session of /v1/realtime. Exits with 1 if a word is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from websockets.asyncio.client import connect

from benchmarks.processes import Process, free_port, ours, running
from compat.emulator.engines.tones import Tones
from tests.whole.cutting import Breaks, cut_house
from tests.whole.live_speech import Recording, make_recording
from tests.whole.translated import appends, expected, managed

FLAT, TEXT_ONLY = "qwen3.5-livetranslate-flash-realtime", "qwen-mt-flash"
MODELS = (
    "qwen3-livetranslate-flash-realtime",
    FLAT,
    "qwen3.8-livetranslate-flash-realtime",
    TEXT_ONLY,
)
PAUSE_MS = 2000
COSTS: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/realtime": ("realtime?intent=transcription", {"type": "transcription"}),
    "translation, text": (
        f"realtime/translations?model={FLAT}",
        {"audio": {"output": {"language": "es"}}, "dashscope": {"output_modalities": ["text"]}},
    ),
    "translation, text and voice": (
        f"realtime/translations?model={FLAT}",
        {"audio": {"output": {"language": "es"}}},
    ),
    "translation by sentences": (
        f"realtime/translations?model={TEXT_ONLY}",
        {"audio": {"output": {"language": "es"}}},
    ),
}


def wrong(spoken: list[str], heard: list[str]) -> int:
    """The number of words that were added, changed or left out."""
    blocks = difflib.SequenceMatcher(None, spoken, heard, autojunk=False).get_matching_blocks()
    return max(len(spoken), len(heard)) - sum(block.size for block in blocks)


async def run(recording: Recording, model: str, cuts: int, pace: float) -> bool:
    """Translate a recording, and print what is wrong."""
    started = time.perf_counter()
    with cut_house(Tones()) as (base_url, wire):
        wire.most_in_a_row = 3
        heard = await managed(base_url, model, recording, Breaks(wire, cuts, recording.length_ms, pace, seed=cuts))
    source = [word.text for word in recording.words]
    target = expected(recording, "[Spanish]" if model == TEXT_ONLY else "[es]").split()
    faults = [wrong(target, heard.text.split()), wrong(source, heard.source.split())]
    faults.append(0 if model == TEXT_ONLY else wrong(source, heard.voice))
    taken = time.perf_counter() - started
    print(f"{model:<38} {len(source):>6} {wire.broken:>5} {faults[0]:>6} {faults[1]:>6} {faults[2]:>6} {taken:>8.0f}")
    return not any(faults)


async def listen(address: str, update: dict[str, Any], appending: list[str], kind: str) -> None:
    """One session, at the pace of speech."""
    async with connect(address, compression=None, proxy=None, ping_interval=None, open_timeout=60) as socket:
        await socket.send(json.dumps({"type": "session.update", "session": update}))
        hearing = asyncio.ensure_future(_drain(socket))
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for number, audio in enumerate(appending):
            await asyncio.sleep(begin + number * 0.1 - loop.time())
            await socket.send(f'{{"type":"{kind}","audio":"{audio}"}}')
        hearing.cancel()


async def _drain(socket: Any) -> None:  # noqa: ANN401 - a connection
    async for event in socket:
        assert '"type":"error"' not in event, event


async def cost(
    server: Process, route: str, update: dict[str, Any], sessions: int, seconds: float
) -> tuple[float, float]:
    """The server's processor time for a frame of 100 ms, in microseconds, and its memory for a session, in KiB."""
    appending = [event["audio"] for _, event in appends(make_recording(seconds, PAUSE_MS))]
    kind = "session.input_audio_buffer.append" if "translations" in route else "input_audio_buffer.append"
    address = f"ws://127.0.0.1:{server.port}/v1/{route}"
    await listen(address, update, appending[:30], kind)
    before, used = server.memory(), server.seconds()
    at_work = asyncio.gather(*(listen(address, update, appending, kind) for _ in range(sessions)))
    await asyncio.sleep(len(appending) / 10 - 1)
    held = server.memory()
    await at_work
    spent = server.seconds() - used
    return spent / (sessions * len(appending)) * 1e6, (held - before) * 1024 / sessions


def costs(sessions: int, seconds: float) -> None:
    port = free_port()
    command = (sys.executable, "-m", "compat", "emulator", "--engine", "tones", "--port", str(port))
    print(f"\n{'':<30} {'µs a frame':>10} {'KiB a session':>14}")
    with running("emulator", *command, port=port, environment={}) as emulator:
        for name, (route, update) in COSTS.items():
            with ours(emulator.port) as server:
                frame, memory = asyncio.run(cost(server, route, update, sessions, seconds))
            print(f"{name:<30} {frame:>10.0f} {memory:>14.0f}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--cuts", type=int, default=40)
    arguments.add_argument("--pace", type=float, default=12)
    arguments.add_argument("--sessions", type=int, default=20)
    arguments.add_argument("models", nargs="*", default=MODELS)
    given = arguments.parse_args()
    recording = make_recording(given.minutes * 60, PAUSE_MS)
    print(f"{'model':<38} {'words':>6} {'cuts':>5} {'text':>6} {'source':>6} {'voice':>6} {'seconds':>8}", flush=True)
    right = [asyncio.run(run(recording, model, given.cuts, given.pace)) for model in given.models]
    costs(given.sessions, 20)
    sys.exit(0 if all(right) else 1)


if __name__ == "__main__":
    main()
