"""What helps the recognition: prompt and keywords, in one text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from compat.errors import BadRequest
from compat.openai_api.usage import estimate

TOKENS: Final = 10_000
"""The service's bound for context (guide of qwen3-asr-flash, 2026-01), held against an estimate."""


def joined(prompt: str | None, keywords: Sequence[str]) -> str:
    return "\n".join(filter(None, (prompt, ", ".join(keywords))))


def check(text: str, param: str) -> None:
    """Raises BadRequest, of this parameter, for more than the service takes."""
    if estimate(text) > TOKENS:
        raise BadRequest(
            f"prompt and keywords are about {estimate(text):,} tokens; the service takes {TOKENS:,}.", param=param
        )
