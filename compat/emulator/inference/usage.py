"""Usage of a task: seconds of audio, or tokens for qwen-audio-3.1.

Tokens were measured as 12.5 for each second of audio and 62 for each sentence (field report, 2026-09).
"""

from __future__ import annotations

import math
from typing import Any

TOKENS_PER_SECOND = 12.5
TOKENS_PER_SENTENCE = 62


def counted(*, tokens: bool, ms: int, sentences: int, out: int) -> dict[str, Any]:
    """`ms` of audio with so many sentences, whose text has `out` tokens."""
    seconds = {"duration": max(1, math.ceil(ms / 1000))}
    if not tokens:
        return seconds
    put = math.ceil(TOKENS_PER_SECOND * ms / 1000) + TOKENS_PER_SENTENCE * sentences
    return {"input_tokens": put, "output_tokens": out, "total_tokens": put + out} | seconds
