"""Model aliases: names that OpenAI and Whisper clients send, mapped to DashScope model ids. A family replaces some."""

from __future__ import annotations

import re

from compat.config.parsers import Family

ALIASES = {
    "gpt-transcribe": "qwen3-asr-flash",
    "gpt-live-transcribe": "qwen3-asr-flash-realtime",
    "whisper-1": "qwen3-asr-flash",
    "whisper-large-v3": "qwen3-asr-flash",
    "whisper-large-v3-turbo": "qwen3-asr-flash",
    "gpt-4o-transcribe": "qwen3-asr-flash",
    "gpt-4o-mini-transcribe": "qwen3-asr-flash",
    "gpt-4o-mini-transcribe-2025-12-15": "qwen3-asr-flash",
    "gpt-4o-transcribe-diarize": "fun-asr",
    "gpt-realtime-whisper": "qwen3-asr-flash-realtime",
    "gpt-realtime-translate": "qwen3.5-livetranslate-flash-realtime",
    "qwen3-asr": "qwen3-asr-flash",
    "Qwen/Qwen3-ASR-1.7B": "qwen3-asr-flash",
    "Qwen/Qwen3-ASR-0.6B": "qwen3-asr-flash",
}
"""Aliases listed by `/v1/models`."""

FAMILIES: dict[Family, dict[str, str]] = {
    "qwen3-asr": {},
    "qwen-audio-3.1": {
        "qwen3-asr-flash": "qwen-audio-3.1-asr-flash",
        "fun-asr": "qwen-audio-3.1-asr-flash-filetrans",
    },
}
"""The models for files that each family has in place of the models in ALIASES."""

_SIZE = r"(distil-)?(tiny|base|small|medium|large|turbo)(-v\d(\.\d)?)?(-turbo)?([.-]en)?"
_PATTERNS = (
    (re.compile(r"gpt-(realtime-whisper|live-transcribe)-[\d-]+"), "qwen3-asr-flash-realtime"),
    (re.compile(r"gpt-realtime-translate-[\d-]+"), "qwen3.5-livetranslate-flash-realtime"),
    (re.compile(r"gpt-(4o-)?transcribe-diarize-[\d-]+"), "fun-asr"),
    (re.compile(r"gpt-(4o-(mini-)?)?transcribe-[\d-]+"), "qwen3-asr-flash"),
    # whisper-large-v3-turbo, faster-whisper-small, distil-whisper-large-v3-en, kb-whisper-large, whisper.cpp
    (re.compile(r".*whisper.*"), "qwen3-asr-flash"),
    # bare Whisper sizes, also as whisper.cpp's files: large-v3, distil-small.en, turbo, ggml-base.en-q5_1.bin
    (re.compile(rf"(ggml-)?{_SIZE}(-tdrz)?(-q\d_\w+)?(\.bin)?"), "qwen3-asr-flash"),
    # open-weight models: qwen3-asr-1.7b, qwen3-asr:0.6b, qwen3-asr-1.7b-8bit
    (re.compile(r"qwen3-asr[-:]\d+(\.\d+)?b.*"), "qwen3-asr-flash"),
)


def native(name: str, family: Family = "qwen3-asr") -> str:
    """Return the DashScope id for an alias (case-insensitive). Other names are returned unchanged.

    A `family` does not replace the models behind the names of the open Qwen3-ASR.
    """
    plain = name.lower()
    model = (
        ALIASES.get(name)
        or ALIASES.get(plain)
        or next((model for pattern, model in _PATTERNS if pattern.fullmatch(plain)), None)
    )
    if model is None:
        return name
    return model if "qwen3-asr" in plain else FAMILIES[family].get(model, model)
