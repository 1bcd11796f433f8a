"""Main loop of a worker process: reads calls from standard input, writes results to standard output, one at a time.

A call is a pickled (function, args, kwargs), because the server is trusted. A result is one byte of Kind and a value in
plain msgpack, never a pickle, because hostile media may have compromised this process. A frame is a 4-byte big-endian
length followed by that many bytes. An exception is sent as a Failure, as job stores keep it. The process exits when
standard input ends, so it never outlives the server.
"""

from __future__ import annotations

import os
import pickle
import queue
import resource
import struct
import sys
import threading
from collections.abc import Iterator
from enum import IntEnum
from pathlib import PurePath
from typing import BinaryIO

import msgspec

from compat.errors import NO_SPACE, BadAudio, CompatError, DiskFull, failure


class Kind(IntEnum):
    RESULT = 0
    ITEM = 1
    END = 2
    FAILED = 3


_NICE = 5  # the server's event loop has priority
NEXT = b"next"  # requests the next item of an iterator; any other frame is a call


def serve(memory: int) -> None:
    """Serve calls until standard input ends. `memory` limits the address space, in bytes."""
    os.nice(_NICE)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # keep the output of libraries out of the frames
    frames: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, frames), daemon=True).start()
    while True:
        for kind, body in _answer(frames.get(), frames):
            data = bytes([kind]) + body
            answers.write(struct.pack(">I", len(data)) + data)
            answers.flush()


def _listen(source: BinaryIO, frames: queue.SimpleQueue[bytes]) -> None:
    while len(head := source.read(4)) == 4:
        frames.put(source.read(struct.unpack(">I", head)[0]))
    os._exit(0)


def _answer(call: bytes, frames: queue.SimpleQueue[bytes]) -> Iterator[tuple[Kind, bytes]]:
    try:
        function, args, kwargs = pickle.loads(call)  # noqa: S301 - from the server's own process
        result = function(*args, **kwargs)
        if not isinstance(result, Iterator):
            yield Kind.RESULT, _packed(result)
            return
        for item in result:
            yield Kind.ITEM, _packed(item)
            frames.get()
        yield Kind.END, b""
    except Exception as exc:  # noqa: BLE001 - a damaged file may raise any exception in a codec's wrapper
        yield Kind.FAILED, _packed(failure(_translated(exc)))


def _translated(exc: Exception) -> CompatError:
    match exc:
        case CompatError():
            return exc
        case OSError(errno=number) if number in NO_SPACE:
            return DiskFull("The disk is full.")
        case _:
            return BadAudio("The file could not be read: it is damaged.")


def _packed(value: object) -> bytes:
    return msgspec.msgpack.encode(value, enc_hook=_path)


def _path(value: object) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be sent")
