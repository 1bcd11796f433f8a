"""Headers with parameters, such as Content-Type and Content-Disposition.

The parsers of python-multipart and of `email` take quadratic time for many semicolons: 4 KB of them block the event
loop for milliseconds, and a form can have hundreds of such headers.
"""

from __future__ import annotations

from typing import Final

from python_multipart.multipart import parse_options_header

from compat.errors import BadRequest

MOST: Final = 64  # semicolons


def parsed(value: bytes | str | None) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the value and its parameters. Raise BadRequest for more than `MOST` semicolons."""
    octets = value.encode("latin-1") if isinstance(value, str) else value or b""
    if octets.count(b";") > MOST:
        raise BadRequest(f"A Content-Type or Content-Disposition header has more than {MOST} semicolons.")
    return parse_options_header(octets)
