"""Model families by name pattern (Model Studio's model list for speech recognition, 2026-09)."""

from __future__ import annotations

import enum
import re


class Family(enum.Enum):
    QWEN3 = r"qwen3-asr-flash(-\d{4}-\d{2}-\d{2})?"
    QWEN3_US = r"qwen3-asr-flash(-\d{4}-\d{2}-\d{2})?-us"
    AUDIO3 = r"qwen-audio-3\.\d-asr-flash|fun-asr-flash-\d{4}-\d{2}-\d{2}"
    FILETRANS = r"qwen3-asr-flash-filetrans(-\d{4}-\d{2}-\d{2})?"
    AUDIO3_FILES = r"qwen-audio-3\.\d-asr-flash-filetrans"
    FUN = r"fun-asr(-mtl)?(-\d{4}-\d{2}-\d{2})?"
    PARAFORMER = r"paraformer-((8k-)?v[12]|mtl-v1)"
    MT = r"qwen-mt-(plus|turbo|flash|lite)(-\d{4}-\d{2}-\d{2})?"

    @property
    def takes_files(self) -> bool:
        """Whether it is called through file tasks."""
        return self in {Family.FILETRANS, Family.AUDIO3_FILES, Family.FUN, Family.PARAFORMER}


PATTERNS = [(family, re.compile(family.value)) for family in Family]


def family(model: str) -> Family | None:
    """Return the family of a model, None for a model that DashScope does not have. Names are in lower case."""
    return next((known for known, pattern in PATTERNS if pattern.fullmatch(model)), None)


LANGUAGES = frozenset(
    {"zh", "yue", "en", "ja", "de", "ko", "ru", "fr", "pt", "ar", "it", "es", "hi", "id"}
    | {"th", "tr", "uk", "vi", "cs", "da", "fil", "fi", "is", "ms", "no", "pl", "sv"}
)
"""The languages of qwen3-asr (Model Studio's API reference, 2026-01)."""
