"""The entry point of `qwen-asr-compat` and `python -m compat`."""

from __future__ import annotations

import os  # already loaded when Python starts, so not searched for in the current folder
import sys


def _leave_folder() -> None:
    """Remove the current folder from the module search path, unless it contains this package.

    `python -m` and an empty entry of PYTHONPATH add it first, and a user's `random.py` or `click.py` would be imported
    in place of the real module.
    """
    own = os.path.dirname(os.__file__)  # noqa: PTH120 - pathlib is not loaded
    end = sys.path.index(own) if own in sys.path else 0
    try:
        here = os.getcwd()  # noqa: PTH109
    except FileNotFoundError:  # the folder has been removed
        return
    if not os.path.samefile(here, os.path.join(os.path.dirname(__file__), os.pardir)):  # noqa: PTH118, PTH120, PTH121
        sys.path[:end] = [place for place in sys.path[:end] if place not in ("", here)]


_leave_folder()

import contextlib  # noqa: E402
import io  # noqa: E402
from typing import NoReturn  # noqa: E402

INTERRUPTED = 130


def main() -> None:
    """Run the command line.

    Ctrl-C during the imports, and a standard stream that is closed or full, end the program with a one-sentence error.
    """
    _reserve_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a locale without UTF-8 has no form for some names
        sys.stdout.reconfigure(errors="replace")
    try:
        try:
            from compat.cli.main import main as command

            command()
        finally:
            sys.stdout.flush()  # a failure at interpreter exit would print a traceback
    except KeyboardInterrupt:
        _end("Stopped.", INTERRUPTED)
    except OSError as exc:
        where = f": {exc.filename}" if exc.filename else ", reading or writing"
        _end(f"Error: {exc.strerror or exc}{where}.", 1)


def _reserve_closed_streams() -> None:
    """Keep files and sockets from getting the file descriptor of a closed standard stream.

    Using the reserved stream in its usual direction fails with EBADF.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                os.open(
                    os.devnull, os.O_WRONLY if mode == "r" else os.O_RDONLY
                )  # gets the lowest free number: this one
                setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - for the whole run


def _end(sentence: str, status: int) -> NoReturn:
    with contextlib.suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - nothing else is imported yet
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        raise SystemExit(status)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # discard the buffer, whose flush would fail at exit
    raise SystemExit(status)


if __name__ == "__main__":
    main()
