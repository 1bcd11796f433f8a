"""Unpaired surrogates in JSON. JavaScript writes them if a program cuts a string in the middle of an emoji."""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)


def replaced(text: str) -> str:
    """Replace the escape of each unpaired surrogate by that of U+FFFD.

    JSON allows unpaired surrogates (RFC 8259, 8.2), but msgspec refuses them.
    """
    return _ESCAPES.sub(lambda escape: "\\ufffd" if escape[1] else escape[0], text)
