"""The program: `qwen-asr-compat`, which is also `python -m compat`."""

from __future__ import annotations

import os  # which Python has loaded before it looks at the current folder
import sys


def _leave_folder() -> None:
    """Do not search the current folder for modules, where `python -m` and an empty entry of PYTHONPATH begin: files of
    the user's are named `random.py` or `click.py`. Where it holds this package it stays."""
    own = os.path.dirname(os.__file__)  # noqa: PTH120 - pathlib is not loaded
    end = sys.path.index(own) if own in sys.path else 0
    try:
        here = os.getcwd()  # noqa: PTH109
    except FileNotFoundError:  # it was removed
        return
    if not os.path.samefile(here, os.path.join(os.path.dirname(__file__), os.pardir)):  # noqa: PTH118, PTH120, PTH121
        sys.path[:end] = [place for place in sys.path[:end] if place not in ("", here)]


_leave_folder()

import contextlib  # noqa: E402
from typing import NoReturn  # noqa: E402

INTERRUPTED = 130


def main() -> None:
    """Run the command line. Ctrl-C while it is imported, and standard streams that are closed or full, end it with one
    sentence."""
    _take_closed()
    try:
        try:
            from compat.cli.main import main as command

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
