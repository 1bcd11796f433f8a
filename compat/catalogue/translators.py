"""LiveTranslate: the models that translate live speech, and the target languages of each.

A language is spoken (text and a voice) or written (text only). (Model Studio: model page of
qwen3.5-livetranslate-flash-realtime and client events of the realtime API, 2026-05 and 2026-11. The list of
qwen3-livetranslate-flash-realtime is that of 2025-09, which gives 18 languages.)
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from compat import languages

DEFAULT: Final = "qwen3.5-livetranslate-flash-realtime"
OPENAI: Final = "gpt-realtime-translate"
OF_SENTENCES: Final = r"qwen-mt-[a-z0-9.-]+"
"""Models of Qwen-MT, which translate text: in place of LiveTranslate, the sentences of live recognition."""
_SPOKEN = frozenset(
    "zh en ar de fr es pt id it ko ru th vi ja tr hi ms nl ur nb sv da he fi pl is cs fil fa".split()  # noqa: SIM905
)
_WRITTEN = frozenset(
    "yue el af ast be bg bn bs ca ceb et gl gu hr hu jv kk kn ky lv mk ml mr pa ro sk sl sw tg az uk".split()  # noqa: SIM905
)
_OLD_SPOKEN = frozenset("zh en ru fr de pt es it ko ja".split())  # noqa: SIM905
_OLD_WRITTEN = frozenset("yue id vi th ar hi el tr".split())  # noqa: SIM905
_TEXT = frozenset(
    "en zh zh-tw ru ja ko es fr pt de it th vi id ms ar hi he my ta ur bn pl nl ro tr km lo yue cs el sv hu da fi "  # noqa: SIM905
    "uk bg sr te af hy as ast eu be bs ca ceb hr et gl ka gu is jw kn kk lv lt lb mk mt mr ne az uz no oc or sd "
    "si sk sl sw fil sq cy fa".split()
)
"""Those of Qwen-MT's 92 languages that compat.languages knows, by its codes."""
_SERVICE = {"no": "nb", "jw": "jv"}
"""DashScope's codes where they differ from those of compat.languages."""


class TranslationModel(msgspec.Struct, frozen=True, kw_only=True):
    """A generation of LiveTranslate. `nested`: whether its settings are nested and its text comes in deltas. `voice` is
    the default voice. `spoken` and `written` are DashScope's codes of the target languages."""

    pattern: str
    voice: str
    nested: bool = False
    spoken: frozenset[str] = _SPOKEN
    written: frozenset[str] = _WRITTEN


MODELS: Final = (
    TranslationModel(
        pattern=r"qwen3-livetranslate-flash-realtime.*", voice="Cherry", spoken=_OLD_SPOKEN, written=_OLD_WRITTEN
    ),
    TranslationModel(pattern=r"qwen3\.5-livetranslate-flash-realtime.*", voice="Tina"),
    TranslationModel(pattern=r"qwen3\.\d+-livetranslate-flash-realtime.*", voice="Tina", nested=True),
)


def targets(model: TranslationModel | None) -> frozenset[str]:
    """Return the codes of the target languages; without `model`, those of text."""
    return _TEXT if model is None else model.spoken | model.written


def find(model: str) -> TranslationModel | None:
    """Return the generation of DashScope's model, or None if it does not translate live speech."""
    return next((row for row in MODELS if re.fullmatch(row.pattern, model)), None)


def row(model: str) -> TranslationModel:
    """Return the generation of one of DashScope's models. Raises LookupError for others."""
    found = find(model)
    if found is None:
        raise LookupError(model)
    return found


def target(language: str, model: TranslationModel | None) -> str | None:
    """Return the service's code of a target language, given as a code, tag or name, or None if it is not offered.
    Without `model`, sentences are translated as text, and the code is that of compat.languages."""
    code = language.strip().lower()
    if model is not None and code in targets(model):
        return code
    try:
        if model is None:
            code = languages.written(language)
            return code if code in _TEXT else None
        code = languages.parse(language)
    except ValueError:
        return None
    code = _SERVICE.get(code, code)
    return code if code in targets(model) else None
