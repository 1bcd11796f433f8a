"""Sources of live audio. Each yields blocks of PCM: mono, 16 bits, little-endian, 24 kHz."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import click

from compat.config import extras
from compat.errors import BadAudio

RATE = 24_000
SECOND = RATE * 2  # bytes
PIECE = SECOND // 10
_WAITING = 100  # blocks that are read ahead


async def recording(path: Path, *, fast: bool) -> AsyncGenerator[bytes, None]:
    """Yield a file's audio in real time or, with `fast`, as fast as it is consumed. Raises BadAudio."""
    began, sent = time.monotonic(), 0
    for piece in _pieces(path):
        yield piece
        sent += len(piece)
        if not fast:
            await asyncio.sleep(began + sent / SECOND - time.monotonic())


async def file(queue: asyncio.Queue[bytes], path: Path, *, fast: bool) -> AsyncGenerator[bytes, None]:
    """Yield a file's audio as `recording` does, until something is put in the queue."""
    async with contextlib.aclosing(recording(path, fast=fast)) as pieces:
        async for piece in pieces:
            if not queue.empty():
                return
            yield piece


def missing(path: Path) -> dict[str, float]:
    """Return the seconds `promised` by a file's header and those `decoded`, if clearly less, and otherwise nothing."""
    from compat.audio import probe

    try:
        media = probe.measure(path)
    except (BadAudio, OSError):
        return {}
    if media.promised is None:
        return {}
    return {"promised": round(media.promised, 3), "decoded": round(media.duration - media.lost, 3)}


def _pieces(path: Path) -> Iterator[bytes]:
    from compat.audio import decode

    held = b""
    for block in decode.pcm(path, RATE):
        held += block
        whole = len(held) - len(held) % PIECE
        yield from (held[at : at + PIECE] for at in range(0, whole, PIECE))
        held = held[whole:]
    if held:
        yield held


async def standard_input(queue: asyncio.Queue[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield raw PCM from standard input, through `queue`, until it ends or an empty block is put in the queue.

    Raises click.ClickException if the input is an audio file, and OSError if it cannot be read. A daemon thread reads
    standard input, since a read from a pipe can block without a limit.
    """
    loop, room = asyncio.get_running_loop(), threading.Semaphore(_WAITING)
    errors: list[OSError] = []

    def read() -> None:
        half_sample, descriptor = b"", sys.stdin.fileno()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            try:
                while block := os.read(descriptor, PIECE):
                    block = half_sample + block
                    whole = len(block) & ~1
                    half_sample = block[whole:]
                    if whole:
                        room.acquire()
                        loop.call_soon_threadsafe(queue.put_nowait, block[:whole])
            except OSError as exc:  # a closed descriptor, a terminal that has gone
                errors.append(exc)
            loop.call_soon_threadsafe(queue.put_nowait, b"")

    threading.Thread(target=read, daemon=True).start()
    begun = False
    while piece := await queue.get():
        room.release()
        if not begun:
            _check_raw(piece)
            begun = True
        yield piece
    if errors:
        raise errors[0]


def _check_raw(head: bytes) -> None:
    from compat.audio import sniff

    if sniff.buried(io.BytesIO(head), 0, len(head)) != 0 and not sniff.tag_size(head):
        return
    found = sniff.container_of(head[sniff.tag_size(head) :])
    raise click.ClickException(
        f"Standard input is an audio file{f' ({found.name})' if found else ''}, not raw audio: "
        "use qwen-asr-compat transcribe --live -, or with live the name of the file. "
        "Raw audio: arecord -t raw -f S16_LE -r 24000 -c 1 | qwen-asr-compat live -"
    )


async def microphone(queue: asyncio.Queue[bytes], device: str | None) -> AsyncGenerator[bytes, None]:
    """Yield audio from a microphone, through `queue`, until an empty block is put in the queue.

    Raises click.ClickException if the microphone cannot be opened, or stops by itself.
    """
    sounddevice = recorder()
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def received(data: Any, *_: object) -> None:  # noqa: ANN401 - a buffer of PortAudio's
        loop.call_soon_threadsafe(queue.put_nowait, bytes(data))

    def ended() -> None:
        stopped.set()
        queue.put_nowait(b"")

    def finished() -> None:  # also when the stream is closed below, perhaps after the loop
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ended)

    number = int(device) if device and device.isdigit() else device
    with contextlib.ExitStack() as stack:
        try:
            stream = sounddevice.RawInputStream(
                RATE,
                blocksize=RATE // 10,
                device=number,
                channels=1,
                dtype="int16",
                callback=received,
                finished_callback=finished,
            )
            stack.enter_context(stream)
        except (sounddevice.PortAudioError, ValueError) as exc:
            raise click.ClickException(
                f"The microphone cannot be opened ({exc}). `python -m sounddevice` lists the values for --device. "
                "Audio from another source: arecord -t raw -f S16_LE -r 24000 -c 1 | qwen-asr-compat live -"
            ) from exc
        while piece := await queue.get():
            yield piece
        if stopped.is_set():
            raise click.ClickException(
                "The microphone has stopped: it was unplugged, or the sound system was restarted."
            )


def recorder() -> Any:  # noqa: ANN401 - a module without types
    """Return the sounddevice module for a microphone. Raises click.ClickException if it cannot be imported."""
    return portaudio("live", "Without PortAudio: arecord -t raw -f S16_LE -r 24000 -c 1 | qwen-asr-compat live -")


def portaudio(what: str, otherwise: str) -> Any:  # noqa: ANN401 - a module without types
    """Return the sounddevice module, which `what` needs. Raises click.ClickException, with what to install or to do
    `otherwise`, if it cannot be imported."""
    try:
        import sounddevice
    except ImportError as exc:
        raise click.ClickException(extras.missing("microphone", what)) from exc
    except OSError as exc:
        raise click.ClickException(
            f"{what} needs PortAudio ({exc}); on Debian: apt-get install libportaudio2. {otherwise}"
        ) from exc
    return sounddevice
