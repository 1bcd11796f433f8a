"""Codes of languages from the names and codes that recognisers report."""

from __future__ import annotations

import re

# Whisper's names, which OpenAI's verbose_json has, and those of Qwen3-ASR.
_ROWS = """
en:english zh:chinese yue:cantonese ja:japanese ko:korean de:german fr:french es:spanish pt:portuguese
ru:russian it:italian ar:arabic hi:hindi id:indonesian th:thai tr:turkish uk:ukrainian vi:vietnamese
cs:czech da:danish fi:finnish is:icelandic ms:malay no:norwegian pl:polish sv:swedish nl:dutch el:greek
hu:hungarian ro:romanian bg:bulgarian hr:croatian sk:slovak sl:slovenian sr:serbian lt:lithuanian
lv:latvian et:estonian he:hebrew fa:persian ur:urdu bn:bengali ta:tamil te:telugu ml:malayalam
kn:kannada mr:marathi gu:gujarati pa:punjabi ne:nepali si:sinhala km:khmer lo:lao my:myanmar
mn:mongolian kk:kazakh uz:uzbek az:azerbaijani ka:georgian hy:armenian mk:macedonian sq:albanian
bs:bosnian ca:catalan gl:galician eu:basque cy:welsh mt:maltese af:afrikaans sw:swahili am:amharic
so:somali yo:yoruba ha:hausa la:latin be:belarusian fil:filipino fil:tagalog zh:mandarin
"""
_NAMES = {name: code for code, _, name in (pair.partition(":") for pair in _ROWS.split())}
_CODE = re.compile(r"[a-z]{2,3}")
_SCRIPTS = (  # kana before Han, which Japanese has too
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
)


def code(reported: object) -> str | None:
    """Return the code for a name (`Chinese`) or a code (`zh-CN`), None for anything else, such as `auto`."""
    if not isinstance(reported, str):
        return None
    name = reported.strip().lower()
    if name in _NAMES:
        return _NAMES[name]
    short = name.replace("_", "-").partition("-")[0]
    return {"tl": "fil"}.get(short, short) if _CODE.fullmatch(short) else None


def by_script(text: str) -> str | None:
    """Return the language of a script that few languages use, None for the others."""
    return next((language for language, script in _SCRIPTS if script.search(text)), None)


def known_code(language: str) -> str:
    """Return the code that recognisers know: OpenAI's API has ISO 639-1 codes, which call Filipino `tl`."""
    return "tl" if language == "fil" else language
