"""Charsets of text fields, by their names in the IANA registry and in browsers.

The list is fixed, because some of Python's codecs are not charsets: some take quadratic time, some raise arbitrary
exceptions, and some produce lone surrogates, which cannot be encoded in a response. All codecs listed here are linear.
"""

from __future__ import annotations

import re
from encodings.aliases import aliases

_CODECS = {
    "ascii", "utf_8", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "latin_1",
    "koi8_r", "koi8_u", "mac_roman", "tis_620", "cp874", "cp932", "cp949", "gb2312", "gbk", "gb18030", "big5",
    "big5hkscs", "shift_jis", "euc_jp", "iso2022_jp", "euc_kr",
    *(f"iso8859_{part}" for part in range(2, 17) if part != 12),
    *(f"cp{page}" for page in range(1250, 1259)),
}  # fmt: skip
_OTHERS = {"windows31j": "cp932", "windows874": "cp874", "xsjis": "cp932", "xgbk": "gbk", "unicode11utf8": "utf_8"}
_SEPARATORS = re.compile(r"[-_ .:]")


def _key(name: str) -> str:
    return _SEPARATORS.sub("", name.lower())


_NAMES = {
    **{_key(alias): codec for alias, codec in aliases.items() if codec in _CODECS},
    **{_key(codec): codec for codec in _CODECS},
    **_OTHERS,
}


def decode(octets: bytes, charset: str) -> str:
    """Return `octets` as text. Raises ValueError for an unknown charset and for octets that it cannot decode."""
    codec = _NAMES.get(_key(charset))
    if codec is None:
        raise ValueError(charset)
    return octets.decode(codec)
