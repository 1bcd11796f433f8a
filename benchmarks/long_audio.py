"""Hours of audio through file tasks and pieces: completeness, time and memory.

    .venv/bin/python benchmarks/long_audio.py [--hours 3] [--minutes 20] [--gib 2]

Words coded in tones go through file tasks and through pieces, in every format. Each word must come back once, in order
and within 50 ms of its position. Then looped real speech goes through pieces, then one upload of two GiB. Memory is the
server process's peak above its idle memory (VmHWM and VmRSS, Linux).
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import srt
import webvtt

from compat.emulator import sample
from compat.emulator.engine import Word
from compat.emulator.engines.tones import VOCABULARY, encode, lay

NEAR = 0.050  # seconds
Span = tuple[float, float, list[str]]


def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Server:
    """`qwen-asr-compat` and the emulator, each in a separate process."""

    def __init__(self, process: subprocess.Popen[bytes], root: str) -> None:
        self.root = root
        self._status = Path(f"/proc/{process.pid}/status")

    def memory(self, name: str) -> float:
        """Return VmRSS (current) or VmHWM (peak), in MiB."""
        found = re.search(rf"{name}:\s+(\d+) kB", self._status.read_text())
        assert found, "no figures of memory on this system"
        return int(found[1]) / 1024

    def ask(self, path: Path, **fields: str) -> httpx2.Response:
        form = {"model": "whisper-1"} | fields
        with path.open("rb") as file:
            answer = httpx2.post(f"{self.root}/v1/audio/transcriptions", data=form, files={"file": file}, timeout=7200)
        assert answer.status_code == 200, answer.text
        return answer


@contextlib.contextmanager
def serving(engine: str, **environment: str) -> Iterator[Server]:
    service, front = port(), port()
    settings = {"DASHSCOPE_BASE_URL": f"http://127.0.0.1:{service}", "DASHSCOPE_API_KEY": "k"} | environment
    settings |= {"COMPAT_LOG_LEVEL": "warning", "COMPAT_JOB_RETENTION": "0"}
    compat = [sys.executable, "-m", "compat"]
    with contextlib.ExitStack() as stack:
        settings["COMPAT_STORE"] = stack.enter_context(tempfile.TemporaryDirectory()) + "/jobs.sqlite"
        emulator = [*compat, "emulator", "--engine", engine, "--port", str(service)]
        stack.enter_context(running(emulator, service, dict(os.environ)))
        process = stack.enter_context(running([*compat, "serve", "--port", str(front)], front, os.environ | settings))
        yield Server(process, f"http://127.0.0.1:{front}")


@contextlib.contextmanager
def running(command: list[str], listening: int, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", listening), 1):
                break
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def wav(path: Path, pcm: bytes, rate: int = 16000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(pcm)
    return path


# --- words in tones ------------------------------------------------------------------------------------------------


def spans(form: str, answer: httpx2.Response) -> list[Span]:
    """Return the texts with their start and end, as far as the format has them."""
    match form:
        case "srt":
            cues = srt.parse(answer.text)
            return [(cue.start.total_seconds(), cue.end.total_seconds(), cue.content.split()) for cue in cues]
        case "vtt":
            captions = webvtt.from_string(answer.text).captions
            return [(clock(cue.start), clock(cue.end), cue.text.split()) for cue in captions]
        case "verbose_json":
            body = answer.json()
            timed = [(word["start"], word["end"], [word["word"]]) for word in body.get("words", ())]
            return timed or [(part["start"], part["end"], part["text"].split()) for part in body["segments"]]
        case "json":
            return [(0.0, float("inf"), answer.json()["text"].split())]
        case _:
            return [(0.0, float("inf"), answer.text.split())]


def clock(text: str) -> float:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def check(timed: list[Span], spoken: Sequence[Word], *, exact: bool) -> float:
    """Check that every word occurs once, in order. Return the largest time by which a span begins after its first word
    or ends before its last, and, if times are `exact`, begins before it."""
    assert [word for _, _, words in timed for word in words] == [word.text for word in spoken]
    place, worst = 0, 0.0
    for start, end, words in timed:
        meant = spoken[place : place + len(words)]
        place += len(words)
        worst = max(worst, start - meant[0].begin_ms / 1000, meant[-1].end_ms / 1000 - end)
        if exact:
            worst = max(worst, meant[0].begin_ms / 1000 - start)
    assert worst <= NEAR, f"{worst} s"
    return worst


def coded(hours: float, folder: Path) -> None:
    count = int(hours * 3600 / 0.31)
    spoken = lay(itertools.islice(itertools.cycle(VOCABULARY), count), gap_ms=150)
    path = wav(folder / "tones.wav", encode(spoken))
    print(f"{count} words in {hours} h of tones, {path.stat().st_size >> 20} MiB")
    for road in ("filetrans", "pieces"):
        with serving("tones", COMPAT_LONG_ROAD=road) as server:
            idle = server.memory("VmRSS")
            for form in ("json", "text", "srt", "vtt", "verbose_json"):
                fields = {"timestamp_granularities[]": "word"} if (form, road) == ("verbose_json", "filetrans") else {}
                started = time.perf_counter()
                answer = server.ask(path, response_format=form, **fields)
                took = time.perf_counter() - started
                assert answer.headers["x-compat-road"] == road
                worst = check(spans(form, answer), spoken, exact=form not in ("json", "text"))
                print(f"  {road:9} {form:12} {took:6.1f} s, times off by at most {worst * 1000:.0f} ms")
            print(f"  {road:9} memory: {idle:.0f} MiB idle, at most {server.memory('VmHWM') - idle:.0f} MiB more")


# --- real speech ---------------------------------------------------------------------------------------------------


def looped(minutes: float, folder: Path) -> None:
    with wave.open(str(sample.path())) as source:
        rate, pcm = source.getframerate(), source.readframes(source.getnframes())
    loops = round(minutes * 60 * rate * 2 / len(pcm))
    path = wav(folder / "speech.wav", pcm * loops, rate)
    with serving("moonshine", COMPAT_LONG_ROAD="pieces") as server:
        idle = server.memory("VmRSS")
        started = time.perf_counter()
        text = server.ask(path).json()["text"].lower()
        took = time.perf_counter() - started
        found = [len(re.findall(words, text)) for words in ("age of wisdom", "best of times", "worst of times")]
        minutes = len(pcm) * loops / rate / 120
        print(f"{loops} loops of speech, {minutes:.1f} min through pieces: {took:.0f} s, found {found}")
        print(f"  memory: {idle:.0f} MiB idle, at most {server.memory('VmHWM') - idle:.0f} MiB more")
    assert min(found) >= loops - 1, found


# --- size ----------------------------------------------------------------------------------------------------------


def large(gib: float, folder: Path) -> None:
    """Upload mostly silence, so that the engine does not dominate the time."""
    spoken = lay(VOCABULARY)
    size = int(gib * (1 << 30)) // 96_000 * 96_000 - 96_000
    path = folder / "large.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        file.writeframes(encode(spoken, rate=48000))
        left = size - file.tell() * 2
        while left > 0:
            file.writeframes(bytes(min(left, 1 << 24)))
            left -= 1 << 24
    for road in ("filetrans", "pieces"):
        with serving("tones", COMPAT_LONG_ROAD=road, COMPAT_MAX_UPLOAD="3G") as server:
            idle = server.memory("VmRSS")
            started = time.perf_counter()
            text = server.ask(path).json()["text"]
            took = time.perf_counter() - started
            more = server.memory("VmHWM") - idle
            print(
                f"{path.stat().st_size / (1 << 30):.2f} GiB through {road}: {took:.0f} s, {more:.0f} MiB more than idle"
            )
            assert text.split() == list(VOCABULARY)
            assert more <= 64


def main() -> None:
    arguments: Any = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--hours", type=float, default=3.0)
    arguments.add_argument("--minutes", type=float, default=20.0)
    arguments.add_argument("--gib", type=float, default=2.0)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for part, amount in ((coded, given.hours), (looped, given.minutes), (large, given.gib)):
            if amount:
                part(amount, Path(folder))


if __name__ == "__main__":
    main()
