"""Models of LiveTranslate and their target languages (Model Studio, 2026-09; field reports of 2026-11)."""

from __future__ import annotations

import re
from typing import Final

MODEL: Final = re.compile(r"qwen3(\.5|\.8)?-livetranslate-flash-realtime(-\d{4}-\d{2}-\d{2})?")

_SPOKEN_3: Final = "en zh ru fr de pt es it ko ja yue"
_WRITTEN_3: Final = "id vi th ar hi el tr"
_SPOKEN: Final = "zh en ar de fr es pt id it ko ru th vi ja tr hi ms nl ur nb sv da he fi pl is cs fil fa"
_WRITTEN: Final = "yue el af ast be bg bn bs ca ceb et gl gu hr hu jv kk kn ky lv mk ml mr pa ro sk sl sw tg az uk"


def voiced(model: str) -> frozenset[str]:
    """Return the target languages with audio."""
    return frozenset((_SPOKEN_3 if is_oldest(model) else _SPOKEN).split())


def written(model: str) -> frozenset[str]:
    """Return the target languages with text only."""
    return frozenset((_WRITTEN_3 if is_oldest(model) else _WRITTEN).split())


def is_oldest(model: str) -> bool:
    return model.startswith("qwen3-")


def is_nested(model: str) -> bool:
    """Whether it has nested settings and append-only deltas; the others have flat settings and snapshots."""
    return model.startswith("qwen3.8-")
