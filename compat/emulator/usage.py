"""Usage of a task: seconds of audio, or tokens for qwen-audio-3.1.

A field report (2026-09) measured 12.5 tokens per second of audio and 62 per sentence.
"""

from __future__ import annotations

import math
from typing import Any

TOKENS_PER_SECOND = 12.5
TOKENS_PER_SENTENCE = 62


def counted(*, tokens: bool, ms: int, sentences: int, output_tokens: int) -> dict[str, Any]:
    """Return the usage of `ms` milliseconds of audio with `sentences` sentences, whose texts have `output_tokens`."""
    seconds = {"duration": max(1, math.ceil(ms / 1000))}
    if not tokens:
        return seconds
    input_tokens = math.ceil(TOKENS_PER_SECOND * ms / 1000) + TOKENS_PER_SENTENCE * sentences
    total = input_tokens + output_tokens
    return {"input_tokens": input_tokens, "output_tokens": output_tokens, "total_tokens": total} | seconds
