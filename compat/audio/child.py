"""The worker process's side: calls come in on standard input, answers go out on standard output, one at a time.

A call is a pickled (function, args, kwargs), for the server is trusted. An answer is one byte of Kind and a value in
plain msgpack, never a pickle, since hostile media may have taken this process over. Frames are a 4-byte big-endian
length and that many bytes.
When standard input ends, so does the process: it never outlives the server, however that died.
"""

from __future__ import annotations

import errno
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

from compat.errors import CompatError, DiskFull, failure


class Kind(IntEnum):
    RESULT = 0
    ITEM = 1
    END = 2
    REFUSED = 3
    FAILED = 4


_NICE = 5  # the event loop goes first
NEXT = b"next"  # asks for an iterator's next item; any other frame is a call


def serve(memory: int) -> None:
    """Answer calls until standard input ends. `memory` bounds the address space, in bytes."""
    # uvloop leaves open what the server lets its workers inherit
    os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), 65_536))
    os.nice(_NICE)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
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
    except CompatError as exc:
        yield Kind.REFUSED, _packed(failure(exc))
    except OSError as exc:
        yield _refused_by_system(exc)
    except Exception as exc:  # noqa: BLE001 - a broken file may break a codec's wrapper in any way
        yield Kind.FAILED, _packed(type(exc).__name__)


def _refused_by_system(exc: OSError) -> tuple[Kind, bytes]:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return Kind.REFUSED, _packed(failure(DiskFull("The disk is full.")))
    return Kind.FAILED, _packed(type(exc).__name__)


def _packed(value: object) -> bytes:
    return msgspec.msgpack.encode(value, enc_hook=_path)


def _path(value: object) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be sent")
