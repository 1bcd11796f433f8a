"""The program: `qwen-asr-compat`, which is also `python -m compat`."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

INTERRUPTED = 130


def main() -> None:
    """Run the command line. Ctrl-C while it is imported, and standard streams that are closed or full, end it with one
    sentence."""
    _take_closed()
    try:
        try:
            from compat.cli import main as command

            command()
        finally:
            sys.stdout.flush()  # here, and not at the exit, where a failure is a traceback
    except KeyboardInterrupt:
        _end("Stopped.", INTERRUPTED)
    except OSError as exc:
        where = f": {exc.filename}" if exc.filename else ", reading or writing"
        _end(f"Error: {exc.strerror or exc}{where}.", 1)


def _take_closed() -> None:
    """Keep files and sockets from getting the number of a standard stream. What reads or writes it gets EBADF."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_WRONLY if mode == "r" else os.O_RDONLY)  # the lowest number, which is this one
                setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - for the whole run


def _end(sentence: str, status: int) -> NoReturn:
    with contextlib.suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - nothing else is imported yet
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        raise SystemExit(status)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer would fail at the exit
    raise SystemExit(status)


if __name__ == "__main__":
    main()
