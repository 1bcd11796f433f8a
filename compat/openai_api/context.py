"""The bound on the recognition context: prompt and keywords as one text."""

from __future__ import annotations

from typing import Final

from compat.errors import BadRequest
from compat.openai_api.usage import estimate

TOKENS: Final = 10_000
"""The service's limit for context (guide of qwen3-asr-flash, 2026-01), compared with an estimate."""


def check(text: str, param: str) -> None:
    """Raise BadRequest for `param` if the text exceeds the service's limit."""
    if estimate(text) > TOKENS:
        raise BadRequest(
            f"prompt and keywords are about {estimate(text):,} tokens; the service takes {TOKENS:,}.", param=param
        )
