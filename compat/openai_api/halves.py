"""JSON with half a surrogate pair in it, which JavaScript writes where a program cuts a string in an emoji. Pure."""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)


def replaced(text: str) -> str:
    """The same with U+FFFD for each half. It is valid JSON (RFC 8259, 8.2) that msgspec does not read."""
    return _ESCAPES.sub(lambda escape: "\\ufffd" if escape[1] else escape[0], text)
