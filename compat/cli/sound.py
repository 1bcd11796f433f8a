"""Where live sound comes from: pieces of mono 16-bit PCM at 24 kHz, little-endian."""

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

RATE = 24_000
SECOND = RATE * 2  # bytes
PIECE = SECOND // 10
_WAITING = 100  # pieces that are read ahead


async def recording(path: Path, *, fast: bool) -> AsyncGenerator[bytes, None]:
    """A file's sound at the pace of its playing, or as fast as it is taken. Raises BadAudio."""
    began, said = time.monotonic(), 0
    for piece in _pieces(path):
        yield piece
        said += len(piece)
        if not fast:
            await asyncio.sleep(began + said / SECOND - time.monotonic())


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


async def standard_input(heard: asyncio.Queue[bytes]) -> AsyncGenerator[bytes, None]:
    """Raw PCM as it comes, by way of `heard`, until it ends or nothing is put there. Raises click.ClickException where
    it begins as a file of sound does.

    It is read in a thread that nobody waits for, since a pipe may stay silent for ever.
    """
    loop, room = asyncio.get_running_loop(), threading.Semaphore(_WAITING)

    def read() -> None:
        odd, descriptor = b"", sys.stdin.fileno()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            while block := os.read(descriptor, PIECE):
                block = odd + block
                whole = len(block) & ~1
                odd = block[whole:]
                if whole:
                    room.acquire()
                    loop.call_soon_threadsafe(heard.put_nowait, block[:whole])
            loop.call_soon_threadsafe(heard.put_nowait, b"")

    threading.Thread(target=read, daemon=True).start()
    begun = False
    while piece := await heard.get():
        room.release()
        if not begun:
            _check_raw(piece)
            begun = True
        yield piece


def _check_raw(head: bytes) -> None:
    from compat.audio import sniff

    if sniff.buried(io.BytesIO(head), 0, len(head)) != 0 and not sniff.tag_size(head):
        return
    found = sniff.container_of(head[sniff.tag_size(head) :])
    raise click.ClickException(
        f"Standard input is not raw sound but a file{f' ({found.name})' if found else ''}: "
        "qwen-asr-compat transcribe --live - takes it. "
        "Raw sound: arecord -t raw -f S16_LE -r 24000 -c 1 | qwen-asr-compat live -"
    )


async def microphone(heard: asyncio.Queue[bytes], device: str | None) -> AsyncGenerator[bytes, None]:
    """What a microphone hears, by way of `heard`, until nothing is put there. Raises click.ClickException."""
    sounddevice = recorder()
    loop = asyncio.get_running_loop()

    def hear(data: Any, *_: object) -> None:  # noqa: ANN401 - a buffer of PortAudio's
        loop.call_soon_threadsafe(heard.put_nowait, bytes(data))

    number = int(device) if device and device.isdigit() else device
    with contextlib.ExitStack() as stack:
        try:
            stream = sounddevice.RawInputStream(
                RATE, blocksize=RATE // 10, device=number, channels=1, dtype="int16", callback=hear
            )
            stack.enter_context(stream)
        except (sounddevice.PortAudioError, ValueError) as exc:
            raise click.ClickException(
                f"No microphone can be opened ({exc}); `python -m sounddevice` lists what there is for --device. "
                "Sound from elsewhere: arecord -t raw -f S16_LE -r 24000 -c 1 | qwen-asr-compat live -"
            ) from exc
        while piece := await heard.get():
            yield piece


def recorder() -> Any:  # noqa: ANN401 - a module without types
    """sounddevice. Raises click.ClickException, which says what to install."""
    try:
        import sounddevice
    except ImportError as exc:
        raise click.ClickException(
            "live needs the microphone extra: pip install 'qwen-asr-compat[microphone]'."
        ) from exc
    except OSError as exc:
        raise click.ClickException(
            f"live needs PortAudio ({exc}); on Debian: apt-get install libportaudio2. "
            "Or without it: arecord -t raw -f S16_LE -r 24000 -c 1 | qwen-asr-compat live -"
        ) from exc
    return sounddevice
