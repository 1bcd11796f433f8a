"""Uploads that are re-encoded to fit the short surface, and their effect on other requests."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from benchmarks.findings import Bar, Findings, Table
from benchmarks.load import Client, Rounds, as_chat, load
from benchmarks.peers import OURS, Field
from benchmarks.processes import Process, processor_seconds
from benchmarks.service import seen
from benchmarks.sounds import MIB, noise, speech, stored
from benchmarks.uploading import send

NAME = "re-encoding"


async def measure(field: Field, quick: bool) -> Findings:
    server, request = field.contenders[OURS].process, field.contenders[OURS].request
    audio = speech(240, rate=44100, channels=2)
    path = stored("reencoded.wav", audio)
    await asyncio.to_thread(send, server.port, path)
    fitted = (await seen(field.service.port))["size"]
    times, worked = await _alone(field, server, request(audio), as_chat(noise(fitted * 3 // 4)), 3 if quick else 8)
    felt = await _felt(server, request(noise(MIB)), path, quick)
    added = times["through"].at(50) - times["direct"].at(50)
    late = {name: rounds.at(99) for name, rounds in felt.items()}
    ratio = late["re-encoding"] / late["bystander"]
    figure = f"{late['alone']:.1f} ms alone, {late['re-encoding']:.1f} ms meanwhile; {late['bystander']:.1f} ms beside "
    bars = [
        Bar("40 MiB WAV of 4 minutes, re-encoded: added", f"{added:+.0f} ms", "≤ 400 ms", added <= 400),
        Bar(
            "the same: p99 of other requests",
            f"{figure}a process that does the same outside",
            "unchanged (by more than what any busy process costs)",
            ratio <= 1.1,
        ),
    ]
    lines = [
        ["stub called directly with what was re-encoded", f"{times['direct'].at(50):.0f}", "", ""],
        ["this server", f"{times['through'].at(50):.0f}", f"{worked[0]:.0f}", f"{worked[1]:.0f}"],
    ]
    head = ("", "p50 ms", "ms of processor, server's process", "ms of processor, worker")
    return Findings(
        bars,
        [
            Table(f"{len(audio) / MIB:.1f} MiB, which become {fitted / MIB:.1f} MiB of JSON, 1 in flight", head, lines),
            Table("1 MiB, 1 in flight, through this server", ("", "p50 ms", "p99 ms"), _lines(felt)),
        ],
    )


def _lines(felt: dict[str, Rounds]) -> list[list[str]]:
    names = {
        "alone": "nothing else",
        "re-encoding": "40 MiB uploads re-encoded, one after another",
        "bystander": "the same re-encoding in a process that is no part of the server",
    }
    return [[names[name], f"{rounds.at(50):.2f}", f"{rounds.at(99):.2f}"] for name, rounds in felt.items()]


async def _alone(
    field: Field, server: Process, through: bytes, direct: bytes, count: int
) -> tuple[dict[str, Rounds], tuple[float, float]]:
    """Return also the CPU milliseconds of one upload: in the server's process, and in its children."""
    times = {"direct": Rounds(), "through": Rounds()}
    own, below = [], []
    for _ in range(count):
        times["direct"].rounds.append(await load(field.service.port, direct, 1, 2))
        before = processor_seconds(server.pid), server.seconds()
        times["through"].rounds.append(await load(server.port, through, 1, 2))
        after = processor_seconds(server.pid), server.seconds()
        own.append((after[0] - before[0]) * 500)
        below.append((after[1] - before[1]) * 500 - own[-1])
    return times, (statistics.median(own), statistics.median(below))


async def _felt(server: Process, small: bytes, path: Path, quick: bool) -> dict[str, Rounds]:
    felt = {"alone": Rounds(), "re-encoding": Rounds(), "bystander": Rounds()}
    for _ in range(1 if quick else 4):
        felt["alone"].rounds.append(await load(server.port, small, 1, 150))
        async with _uploads(server, path):
            felt["re-encoding"].rounds.append(await load(server.port, small, 1, 150))
        with _bystander(path):
            async with Client(server.port) as client:
                await asyncio.sleep(1)
                await client.call(small)
            felt["bystander"].rounds.append(await load(server.port, small, 1, 150))
    return felt


@contextlib.asynccontextmanager
async def _uploads(server: Process, path: Path) -> AsyncIterator[None]:
    ending = asyncio.Event()

    async def on_and_on() -> None:
        while not ending.is_set():
            await asyncio.to_thread(send, server.port, path)

    task = asyncio.create_task(on_and_on())
    await asyncio.sleep(0.1)
    yield
    ending.set()
    await task


@contextlib.contextmanager
def _bystander(path: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.servers.bystander", str(path)]
    with subprocess.Popen(command) as child:
        yield
        child.kill()
