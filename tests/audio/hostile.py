"""Misbehaviour that hostile media may cause in a worker process, as functions that tests run there."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from compat.errors import BadAudio, ContentRefused, RateLimited
from compat.transcript import Media


def pid() -> int:
    return os.getpid()


def double(number: int) -> int:
    return number * 2


def echoed(media: Media) -> tuple[Media, Path, list[tuple[float, Media]]]:
    return media, media.path, [(1.5, media)]


def nothing() -> None:
    return


def killed(number: int) -> int:
    os.kill(os.getpid(), number)
    return number


def exited() -> int:
    os._exit(0)


def hanging() -> int:
    while True:
        pass


def idling() -> int:
    signal.pause()
    return 0


def bloating() -> int:
    return len(bytearray(1 << 40))


def chatty() -> int:
    print("noise", flush=True)  # noqa: T201
    os.write(1, b"\xff\xff\xff\xff noise")
    os.write(2, b"noise")
    return 1


def lying() -> int:
    return "not a number"  # type: ignore[return-value]  # the lie


def refused() -> int:
    raise BadAudio("in words")


def refused_otherwise() -> int:
    raise RateLimited("slowly", retry_after=2.5, code="c", param="p")


def refused_content() -> int:
    raise ContentRefused("no")


def broken() -> int:
    empty: list[int] = []
    return empty[1]


def full() -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def too_large() -> int:
    raise OSError(errno.EFBIG, "File too large")


def environment() -> dict[str, str]:
    return dict(os.environ)


def open_sockets() -> list[int]:
    """Return the inodes of all open sockets."""
    inodes = []
    for number in range(1024):
        with contextlib.suppress(OSError):
            status = os.fstat(number)
            inodes += [status.st_ino] if stat.S_ISSOCK(status.st_mode) else []
    return inodes


def counting(end: int) -> Iterator[int]:
    yield from range(end)


def counting_to_a_crash(end: int) -> Iterator[int]:
    yield from range(end)
    os.kill(os.getpid(), signal.SIGSEGV)


def counting_to_a_refusal(end: int) -> Iterator[int]:
    yield from range(end)
    raise BadAudio("in words")


def asked_for(folder: Path) -> Iterator[int]:
    """Create a file for each item that was requested."""
    for number in range(sys.maxsize):
        (folder / str(number)).touch()
        yield number


def strange() -> object:
    return object()
