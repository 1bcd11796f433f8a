"""A soak test: mixed traffic while the service fails at random. Checks that resources do not grow and that every client
gets its transcript or a well-formed error.

    .venv/bin/python benchmarks/soak.py [--minutes M] [--callers N] [--seed S] [--patience P] [--workers W]

Clients send short files, streams, long files, background jobs and live sessions, including broken files, and some
disconnect half-way, while random faults are set in the emulator. The traffic pauses regularly to measure the server's
resources. Exits with 1 if these grow, if words are wrong, or if a client waits more than P seconds for a response. On a
busy machine, increase P or use fewer clients.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import io
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import stamina
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from benchmarks.processes import free_port
from compat.emulator.engines.tones import VOCABULARY, encode, lay
from compat.emulator.faults import Answer, Break, Cut, Expire, FailFile, FailTask, Fault, Hang, Live, Refuse, Rule, Slow
from compat.emulator.live_faults import Double, Erring, Fail, Sever, Stall

LOOKS = 20  # pauses in one run
PATIENCE = 90.0  # seconds for one caller's business, and for coming to rest
SLOW = 900.0  # seconds in which what this program itself asks is asked again: a busy machine is no verdict
SHORT, LONG, STREAMED = "whisper-1", "qwen3-asr-flash-filetrans", "gpt-4o-transcribe"
MANUAL = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
BUSY = ("requests_under_way", "service_calls_under_way", "sessions_open", "jobs_under_way", "queue_waiting")
ALLOWED = {"files open": 4, "tasks": 2, "threads": 8, "memory, MiB": 8, "temporary files": 0, "processes": 2}
"""The most by which the minimum of the last third may exceed that of the second. Threads and processes are pooled."""
SETTINGS = {
    "DASHSCOPE_API_KEY": "k",
    "COMPAT_ANSWER_TIMEOUT": "4",
    "COMPAT_JOB_RETENTION": "2",
    "COMPAT_JOB_GRACE": "2",
    "COMPAT_LONG_ROAD": "filetrans",
    "COMPAT_LOG_LEVEL": "warning",
}
REFUSALS = (Refuse(500, "InternalError"), Refuse(503, "ServiceUnavailable"), Refuse(429, "Throttling", retry_after=0.1))
ANYWHERE: tuple[Fault, ...] = (*REFUSALS, Answer("<html>", content_type="text/html"), Hang(1.0), Hang(), Cut(0), Cut(9))
FAULTS: dict[str, tuple[Fault, ...]] = {
    "chat": (*ANYWHERE, Break(0), Break(1), Answer("{")),
    "policy": (*ANYWHERE, Expire()),
    "store": (*ANYWHERE, Refuse(403, "AccessDenied")),
    "submit": (*ANYWHERE, FailTask("InternalError"), FailFile("DECODE_ERROR"), Slow(polls=2), Slow(seconds=2)),
    "query": (*ANYWHERE, Expire()),
    "result": (*ANYWHERE, Refuse(404, "NotFound")),
    "realtime": (
        *ANYWHERE,
        *(Live((trouble,)) for trouble in (Sever(2), Sever(1, "events"), Stall(2, seconds=1.0), Fail(), Double())),
        *(Live((Sever(3, code=code),)) for code in (1000, 1007, 1011, 1013)),
        Live((Erring(2, close=1011),)),
    ),
}


class Wrong(Exception):
    """A violated invariant."""


class Speech:
    """Words and their audio: as a file, and at 24 kHz for live sessions."""

    def __init__(self, chance: random.Random) -> None:
        words = chance.choices(VOCABULARY, k=chance.randint(2, 8))
        self.text = " ".join(words)
        self.live = encode(lay(words), rate=24_000)
        whole = io.BytesIO()
        with wave.open(whole, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(encode(lay(words)))
        self.file = whole.getvalue()

    def check(self, text: str) -> str:
        if re.sub(r"[^a-z ]", "", text.lower()) != self.text:
            raise Wrong(f"{self.text!r} was heard as {text!r}")
        return "words"


class Callers:
    """A client. Each method performs one kind of request and returns its outcome."""

    def __init__(self, base_url: str, chance: random.Random, patience: float) -> None:
        self._base = base_url
        self._chance = chance
        self._patience = patience
        limits = httpx2.Limits(max_connections=None, keepalive_expiry=2.0)  # before the server's own end of patience
        self._http = httpx2.AsyncClient(timeout=patience, limits=limits)
        self._speeches = [Speech(chance) for _ in range(20)]
        self.kinds: dict[str, Callable[[Speech], Awaitable[str]]] = {
            "short": self.short,
            "stream": self.stream,
            "long": self.long,
            "background": self.background,
            "broken": self.broken,
            "hangs up": self.hangs_up,
            "live": self.live,
            "live, hangs up": self.live_hangs_up,
        }

    async def one(self) -> tuple[str, str]:
        kind, speech = self._chance.choice(list(self.kinds)), self._chance.choice(self._speeches)
        try:
            async with asyncio.timeout(self._patience):
                return kind, await self.kinds[kind](speech)
        except TimeoutError:
            return kind, f"WRONG: no answer in {self._patience:.0f} s"
        except (Wrong, httpx2.HTTPError, ConnectionClosed, OSError, KeyError, ValueError) as exc:
            return kind, f"WRONG: {type(exc).__name__} {exc}"

    async def _post(self, file: bytes, model: str, **fields: str) -> httpx2.Response:
        address = f"{self._base}/audio/transcriptions"
        return await self._http.post(address, data={"model": model, **fields}, files={"file": ("a.wav", file)})

    async def short(self, speech: Speech) -> str:
        answer = await self._post(speech.file, SHORT)
        return refusal_code(answer) or speech.check(answer.json()["text"])

    async def long(self, speech: Speech) -> str:
        answer = await self._post(speech.file, LONG, response_format=self._chance.choice(("json", "verbose_json")))
        return refusal_code(answer) or speech.check(answer.json()["text"])

    async def stream(self, speech: Speech) -> str:
        answer = await self._post(speech.file, STREAMED, stream="true")
        if refusal := refusal_code(answer):
            return refusal
        events = [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:") and "{" in line]
        last = events[-1]
        return str(last["error"]["code"]) if "error" in last else speech.check(last["text"])

    async def background(self, speech: Speech) -> str:
        begun = await self._post(speech.file, LONG, background="true")
        if refusal := refusal_code(begun):
            return refusal
        address = f"{self._base}/audio/transcriptions/{begun.json()['id']}"
        while (answer := await self._http.get(address)).status_code == 202:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.2)
        if refusal := refusal_code(answer):
            return refusal
        job = answer.json()
        if "status" in job:
            return str(job["error"]["code"] if job["error"] else job["status"])
        return speech.check(job["text"])

    async def broken(self, speech: Speech) -> str:
        spoilt = bytearray(speech.file[: self._chance.randint(1, 2000)])
        for _ in range(10):
            spoilt[self._chance.randrange(len(spoilt))] = self._chance.randrange(256)
        answer = await self._post(bytes(spoilt), SHORT)
        return refusal_code(answer) or "words"

    async def hangs_up(self, speech: Speech) -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._chance.random() / 5):
                await self._post(speech.file, self._chance.choice((SHORT, LONG)))
        return "gone"

    async def live(self, speech: Speech) -> str:
        async with self._session() as session:
            for _ in range(self._chance.randint(1, 3)):
                outcome = await turn(session, speech)
                if outcome != "words":
                    return outcome
        return "words"

    async def live_hangs_up(self, speech: Speech) -> str:
        async with self._session() as session:
            await say(session, "input_audio_buffer.append", audio=base64.b64encode(speech.live[:48_000]).decode())
            await asyncio.sleep(self._chance.random() / 5)
            session.transport.abort()
        return "gone"

    @contextlib.asynccontextmanager
    async def _session(self) -> Any:  # noqa: ANN401 - an async iterator of a connection
        address = f"{self._base.replace('http', 'ws', 1)}/realtime?intent=transcription"
        async with connect(address, proxy=None, open_timeout=self._patience) as session:
            await say(session, "session.update", session=MANUAL)
            yield session


async def say(socket: Any, kind: str, **fields: object) -> None:  # noqa: ANN401 - a connection
    await socket.send(json.dumps({"type": kind, **fields}))


async def turn(session: Any, speech: Speech) -> str:  # noqa: ANN401 - a connection
    for at in range(0, len(speech.live), 9600):
        await say(session, "input_audio_buffer.append", audio=base64.b64encode(speech.live[at : at + 9600]).decode())
    await say(session, "input_audio_buffer.commit")
    while True:
        event = json.loads(await session.recv())
        if event["type"].endswith("transcription.completed"):
            return speech.check(event["transcript"])
        if event["type"] == "error" or event["type"].endswith(".failed"):
            return str(event["error"]["code"])


def refusal_code(answer: httpx2.Response) -> str | None:
    """Return the code of an error, which must have OpenAI's shape."""
    if answer.status_code < 300:
        return None
    error = answer.json()["error"]
    if error["code"] == "internal_error":
        raise Wrong("this server failed")
    return str(error["code"])


class Control:
    """Send a control request. It is retried without a response, so it must be idempotent."""

    def __init__(self, *, timeout: float = 30.0) -> None:
        self._http = httpx2.AsyncClient(timeout=timeout)

    async def arm(self, service: str, rules: list[Rule]) -> None:
        await self._asked("POST", f"{service}/emulator/faults", msgspec.json.encode(rules))

    async def figures(self, server: str) -> dict[str, float]:
        metrics = await self._asked("GET", f"{server}/metrics")
        return {name: float(value) for name, value in re.findall(r"^compat_(\w+) (\S+)$", metrics, re.MULTILINE)}

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _asked(self, method: str, address: str, content: bytes | None = None) -> str:
        async for attempt in stamina.retry_context(on=httpx2.TransportError, attempts=None, timeout=SLOW):
            with attempt:
                return (await self._http.request(method, address, content=content)).raise_for_status().text
        raise AssertionError("the last attempt raises")


class Watched:
    """The server's processes, observed from outside and by its metrics: with several workers, the supervisor's children
    are watched as well."""

    def __init__(self, pid: int, root: str, spool: Path, control: Control, workers: int) -> None:
        self._pid = pid
        self._workers = workers
        self._root = root
        self._spool = spool
        self._control = control

    async def figures(self) -> dict[str, float]:
        return await self._control.figures(self._root)

    async def rest(self, patience: float) -> None:
        """Wait until nothing is in progress."""
        until = time.monotonic() + patience
        while under_way := {name: count for name, count in (await self.figures()).items() if name in BUSY and count}:
            if time.monotonic() > until:
                raise Wrong(f"the server does not come to rest: {under_way}")
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)

    async def look(self) -> dict[str, float]:
        tasks = (await self.figures())["tasks"]
        pids = [self._pid, *(_children(self._pid) if self._workers > 1 else ())]
        status = [(Path(f"/proc/{pid}") / "status").read_text() for pid in pids]
        return {
            "files open": sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids),  # noqa: PTH208 - all that are listed
            "tasks": tasks,
            "threads": _sum(status, "Threads"),
            "memory, MiB": _sum(status, "VmRSS") / 1024,
            "temporary files": sum(path.is_file() for path in self._spool.rglob("*")),
            "processes": sum(len(_children(pid)) for pid in pids),
        }


def _children(pid: int) -> list[int]:
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


def _sum(status: list[str], name: str) -> float:
    return sum(float(re.findall(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[0]) for text in status)


async def traffic(callers: Callers, until: float, count: int, tally: Counter[tuple[str, str]]) -> None:
    async def caller() -> None:
        while time.monotonic() < until:
            tally[await callers.one()] += 1

    await asyncio.gather(*(caller() for _ in range(count)))


async def faults(control: Control, service: str, chance: random.Random, armed: Counter[str]) -> None:
    """Loop forever."""
    while True:
        rules: list[Rule] = []
        for _ in range(chance.randint(0, 6)):
            surface = chance.choice(list(FAULTS))
            fault = chance.choice(FAULTS[surface])
            rules.append(Rule(surface, fault, chance.randint(1, 3), chance.randint(1, 3)))  # type: ignore[arg-type]  # a surface
            armed[type(fault).__name__] += 1
        await control.arm(service, rules)
        await asyncio.sleep(chance.uniform(0.5, 2.0))


async def soak(service: str, server: str, pid: int, spool: Path, given: argparse.Namespace) -> bool:
    """Return whether all checks passed."""
    async with contextlib.aclosing(Control()) as control:
        return await soaked(service, server, Watched(pid, server, spool, control, given.workers), control, given)


async def soaked(service: str, server: str, watched: Watched, control: Control, given: argparse.Namespace) -> bool:
    chance = random.Random(given.seed)  # noqa: S311 - to be repeated
    callers = Callers(f"{server}/v1", chance, given.patience)
    tally, armed = Counter[tuple[str, str]](), Counter[str]()
    looks: list[dict[str, float]] = []
    rested = True
    for _ in range(LOOKS):
        troubles = asyncio.ensure_future(faults(control, service, chance, armed))
        await traffic(callers, time.monotonic() + given.minutes * 60 / LOOKS, given.callers, tally)
        troubles.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await troubles
        await control.arm(service, [])
        try:
            await watched.rest(given.patience)
        except Wrong as exc:
            print(exc, flush=True)
            rested = False
            break
        looks.append(await watched.look())
        print("  ".join(f"{name} {value:.0f}" for name, value in looks[-1].items()), flush=True)
    print(f"\nfaults armed: {sum(armed.values())} ({', '.join(f'{name} {n}' for name, n in armed.most_common())})")
    return report(tally) & (rested and flat(looks, given.minutes))


def report(tally: Counter[tuple[str, str]]) -> bool:
    print(f"callers: {tally.total()}")
    for kind in sorted({kind for kind, _ in tally}):
        ended = Counter({outcome: count for (of, outcome), count in tally.items() if of == kind})
        print(f"   {kind:<15} {', '.join(f'{outcome} {count}' for outcome, count in ended.most_common())}")
    return not any(outcome.startswith("WRONG") for _, outcome in tally)


def flat(looks: list[dict[str, float]], minutes: float) -> bool:
    third, fine = len(looks) // 3, True
    for name, allowed in ALLOWED.items():
        values = [look[name] for look in looks]
        growth = min(values[-third:]) - min(values[third : 2 * third])
        slope = growth / (minutes / 3) * 60
        grown = growth > allowed
        fine = fine and not grown
        span = f"{min(values):6.0f} to {max(values):<6.0f}"
        print(f"   {name:<16} {span} {slope:+8.1f} an hour   {'GROWS' if grown else 'flat'}")
    return fine


@contextlib.contextmanager
def program(*arguments: str, port: int, **environment: str) -> Iterator[int]:
    """Start `compat …` in a separate process, wait until it accepts connections on `port`, and yield its process id."""
    command = [sys.executable, "-m", "compat", *arguments, "--port", str(port)]
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("DASHSCOPE_", "COMPAT_"))}
    with subprocess.Popen(command, env={**plain, **environment}, stdout=subprocess.DEVNULL) as child:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.05)
            yield child.pid
        finally:
            child.terminate()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--minutes", type=float, default=20)
    arguments.add_argument("--callers", type=int, default=8)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--patience", type=float, default=PATIENCE)
    given = arguments.parse_args()
    dashscope, port = free_port(), free_port()
    service, server = f"http://127.0.0.1:{dashscope}", f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        (spool := Path(folder) / "spool").mkdir()
        own = {"DASHSCOPE_BASE_URL": service, "COMPAT_SPOOL": str(spool), "COMPAT_STORE": f"{folder}/jobs.sqlite"}
        with (
            program("emulator", "--engine", "tones", port=dashscope),
            program("serve", "--workers", str(given.workers), port=port, **SETTINGS, **own) as pid,
        ):
            fine = asyncio.run(soak(service, server, pid, spool, given))
    sys.exit(not fine)


if __name__ == "__main__":
    main()
