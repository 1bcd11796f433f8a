"""The voice of a translation: the engine's own, or a placeholder that says how much is spoken, not what.

The audio of a word depends on the word alone, so the same text always has the same audio.
"""

from __future__ import annotations

import array
import functools
import math
import sys
import zlib
from typing import Final

from compat.emulator.engine import Engine, SpeakingEngine
from compat.emulator.livetranslate.configuration import OUTPUT_RATE
from compat.emulator.livetranslate.words import bare_word

_LETTER_MS: Final = 60
_LONGEST_MS: Final = 480
_GAP_MS: Final = 60
_LOWEST: Final = 140  # Hz
_RANGE: Final = 120  # Hz
_PEAK: Final = 6_000


def spoken(engine: Engine, word: str) -> bytes:
    """Return 24 kHz PCM of a word; nothing for a punctuation mark."""
    bare = bare_word(word)
    if not any(map(str.isalnum, bare)):
        return b""
    own = engine.speak(bare) if isinstance(engine, SpeakingEngine) else None
    return own if own is not None else _hum(bare)


@functools.lru_cache(maxsize=256)
def _hum(word: str) -> bytes:
    """Return a soft tone with a pitch of its own, whose length depends on the number of letters."""
    count = min(_LETTER_MS * len(word), _LONGEST_MS) * OUTPUT_RATE // 1000
    turn = 2 * math.pi * (_LOWEST + zlib.crc32(word.encode()) % _RANGE) / OUTPUT_RATE
    samples = array.array(
        "h", (round(_PEAK * math.sin(math.pi * n / count) * math.sin(turn * n)) for n in range(count))
    )
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes() + bytes(_GAP_MS * OUTPUT_RATE // 1000 * 2)
