"""Engine `tones`: words coded as tones, so that a test knows the exact words and times of a recording.

Each word of VOCABULARY is a burst of 160 ms at a frequency of its own (400 to 3400 Hz, 100 Hz apart), with soft edges
and at least 90 ms of silence to the next. It survives any rate from 8 kHz, G.711 and lossy codecs. A burst that is too
short, too long, off its frequency or mixed with another is UNKNOWN, never a guess: half a word, two joined words, a
click at a seam, a wrong sample rate. Audio below -30 dBFS is silence.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from compat.emulator.engine import NO_HINTS, Hints, Hypothesis, Sentence, Word
from compat.emulator.sound import BYTES_PER_MS, RATE

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

VOCABULARY: Final = (
    "amber", "basil", "cedar", "dusty", "ember", "fable", "glade", "honey", "ivory", "jolly", "kettle", "lemon",
    "maple", "noble", "ocean", "pepper", "quiet", "river", "silver", "timber", "umber", "velvet", "willow", "xenon",
    "yellow", "zephyr", "barley", "copper", "dahlia", "falcon", "garnet",
)  # fmt: skip
UNKNOWN: Final = "<?>"
WORD_MS: Final = 160
GAP_MS: Final = 90  # the minimum between two words
SPOKEN_GAP_MS: Final = 120  # between two words of `speak`
SPOKEN_RATE: Final = 24_000  # Hz, of `speak`
SENTENCE_GAP_MS: Final = 600
SENTENCE_WORDS: Final = 12

_LOWEST: Final = 400  # Hz
_STEP: Final = 100  # Hz
_EDGE_MS: Final = 10  # raised cosine at either end
_PEAK: Final = 16_000
_OFF_HERTZ: Final = 8
_OFF_MS: Final = 8
_PURE: Final = 0.85  # of a burst's energy lies at its frequency
_HOP: Final = RATE // 200  # samples a level: 5 ms, two periods of the lowest tone
_LOUD: Final = 1_000.0  # the level (RMS) above which there is something
_QUIET_HOPS: Final = 5  # this many quiet levels end a burst
_LONGEST: Final = RATE  # samples: a burst of a second is not a word


def lay(words: Iterable[str], *, begin_ms: int = 200, gap_ms: int = 120) -> tuple[Word, ...]:
    """Return the words one after the other, `gap_ms` apart."""
    step = WORD_MS + gap_ms
    begins = (begin_ms + number * step for number in range(1_000_000_000))
    return tuple(Word(word, begin, begin + WORD_MS) for word, begin in zip(words, begins, strict=False))


def encode(words: Sequence[Word], *, rate: int = RATE, length_ms: int | None = None) -> bytes:
    """Return mono signed 16-bit little-endian PCM with each word at its `begin_ms`, `length_ms` long or 200 ms past the
    last.

    KeyError for a word outside VOCABULARY.
    """
    end_ms = length_ms if length_ms is not None else max((word.end_ms for word in words), default=0) + 200
    sound = bytearray(end_ms * rate // 1000 * 2)
    for word in words:
        burst = _burst(word.text, rate)
        at = word.begin_ms * rate // 1000 * 2
        sound[at : at + len(burst)] = burst
    return bytes(sound)


@functools.cache
def _burst(word: str, rate: int) -> bytes:
    hertz = _frequencies()[word]
    count, edge = WORD_MS * rate // 1000, _EDGE_MS * rate // 1000
    values = (
        _PEAK * _faded(min(n, count - 1 - n) / edge) * math.sin(2 * math.pi * hertz * n / rate) for n in range(count)
    )
    return struct.pack(f"<{count}h", *(round(value) for value in values))


def _faded(part: float) -> float:
    return 0.5 - 0.5 * math.cos(math.pi * min(part, 1.0))


@functools.cache
def _frequencies() -> dict[str, int]:
    return {word: _LOWEST + _STEP * number for number, word in enumerate(VOCABULARY)}


class Decoder:
    """Decodes audio in pieces of any size; returns each word at the silence after it. Keeps a second of audio."""

    def __init__(self) -> None:
        self._held = b""
        self._from = 0  # the sample at which `_held` begins

    @property
    def now_ms(self) -> int:
        """The end of the audio received so far."""
        return self._from * 1000 // RATE + len(self._held) // BYTES_PER_MS

    def feed(self, pcm: bytes) -> list[Word]:
        self._held += pcm
        return self._heard(final=False) if len(self._held) >= 2 * _HOP * _QUIET_HOPS else []

    def flush(self) -> list[Word]:
        """Return the word that is incomplete at the end of the audio."""
        self._held += bytes(2 * _HOP * _QUIET_HOPS)
        return self._heard(final=True)

    def _heard(self, *, final: bool) -> list[Word]:
        levels = _levels(self._held)
        bursts, rest = _bursts(levels, final=final)
        words = [_word(self._held, levels, burst, self._from) for burst in bursts]
        self._held = self._held[rest * _HOP * 2 :]
        self._from += rest * _HOP
        return words


def _levels(pcm: bytes) -> NDArray[float64]:
    """Return the RMS of each complete hop."""
    import numpy as np

    count = len(pcm) // (2 * _HOP)
    hops = np.frombuffer(pcm, dtype="<i2", count=count * _HOP).reshape(count, _HOP).astype(np.float64)
    levels: NDArray[float64] = np.sqrt(np.mean(hops * hops, axis=1))
    return levels


def _bursts(levels: NDArray[float64], *, final: bool) -> tuple[list[tuple[int, int]], int]:
    """Return the spans of loud hops that have ended, and the first hop whose audio is still needed."""
    import numpy as np

    loud = np.flatnonzero(levels > _LOUD)
    if not len(loud):
        return [], max(0, len(levels) - 2)
    breaks = np.flatnonzero(np.diff(loud) > _QUIET_HOPS)
    begins = [int(loud[0]), *(int(loud[at + 1]) for at in breaks)]
    ends = [*(int(loud[at]) + 1 for at in breaks), int(loud[-1]) + 1]
    spans = list(zip(begins, ends, strict=True))
    begin, end = spans[-1]
    over = final or len(levels) - end > _QUIET_HOPS or (end - begin) * _HOP >= _LONGEST
    return (spans, end) if over else (spans[:-1], max(0, begin - 2))


def _word(pcm: bytes, levels: NDArray[float64], burst: tuple[int, int], start: int) -> Word:
    begin, end = _edges(levels, burst)
    begin_ms = round((start + begin * _HOP) * 1000 / RATE - _EDGE_MS / 2)
    end_ms = round((start + end * _HOP) * 1000 / RATE + _EDGE_MS / 2)
    whole = abs(end_ms - begin_ms - WORD_MS) <= _OFF_MS
    text = _name(pcm[int(begin * _HOP) * 2 : int(end * _HOP) * 2]) if whole else UNKNOWN
    return Word(text, max(0, begin_ms), end_ms)


def _edges(levels: NDArray[float64], burst: tuple[int, int]) -> tuple[float, float]:
    """Return the positions, in hops, at which the level rises above and falls below half of its median."""
    import numpy as np

    first, last = max(0, burst[0] - 1), min(len(levels), burst[1] + 1)
    part = levels[first:last]
    half = float(np.median(levels[burst[0] : burst[1]])) / 2
    high = np.flatnonzero(part >= half)
    rise, fall = int(high[0]), int(high[-1])
    before = float(part[rise - 1]) if rise else 0.0
    after = float(part[fall + 1]) if fall + 1 < len(part) else 0.0
    # a level applies to the middle of its hop; interpolate linearly between two
    begin = first + rise + 0.5 - (part[rise] - half) / (part[rise] - before) if part[rise] > before else first + rise
    end = first + fall + 0.5 + (part[fall] - half) / (part[fall] - after) if part[fall] > after else first + fall + 1
    return float(begin), float(end)


def _name(pcm: bytes) -> str:
    import numpy as np

    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    middle = samples[len(samples) // 8 : -len(samples) // 8]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 8192)) ** 2
    peak = int(np.argmax(power)) * RATE / 8192
    near = slice(int((peak - 30) * 8192 / RATE), int((peak + 30) * 8192 / RATE) + 1)
    number = round((peak - _LOWEST) / _STEP)
    pure = float(power[near].sum()) >= _PURE * float(power.sum())
    known = 0 <= number < len(VOCABULARY) and abs(peak - _LOWEST - _STEP * number) <= _OFF_HERTZ
    return VOCABULARY[number] if pure and known else UNKNOWN


class Tones:
    """Sentences end at 600 ms of silence or after twelve words. Speakers are not distinguished."""

    blocking: Final = False

    def prepare(self) -> None:
        pass

    def recognise(
        self,
        sound: Iterable[bytes],
        *,
        speakers: bool = False,
        hints: Hints = NO_HINTS,  # noqa: ARG002 - not used here
    ) -> Iterator[Sentence]:
        del speakers
        decoder = Decoder()
        sentence: list[Word] = []
        for words in _decoded(decoder, sound):
            for word in words:
                if _ended(sentence, word.begin_ms):
                    yield Sentence.of(sentence)
                    sentence = []
                sentence.append(word)
            if _ended(sentence, decoder.now_ms):
                yield Sentence.of(sentence)
                sentence = []
        if sentence:
            yield Sentence.of(sentence)

    def listen(self, hints: Hints = NO_HINTS) -> TonesListener:  # noqa: ARG002 - not used here
        return TonesListener()

    def speak(self, word: str) -> bytes | None:
        if word not in _frequencies():
            return None
        spoken = Word(word, SPOKEN_GAP_MS // 2, SPOKEN_GAP_MS // 2 + WORD_MS)
        return encode((spoken,), rate=SPOKEN_RATE, length_ms=WORD_MS + SPOKEN_GAP_MS)


class TonesListener:
    """The last two words are tentative; every third word is first reported as its neighbour, then corrected."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._words: list[Word] = []
        self._shown: tuple[Word, ...] = ()

    def feed(self, pcm: bytes, *, partial: bool = True) -> Hypothesis | None:  # noqa: ARG002 - partial results cost nothing
        words = self._decoder.feed(pcm)
        if not words:
            return None
        self._words += words
        *sure, last = self._words
        if len(self._words) % 3 == 0 and last.text in VOCABULARY:
            last = msgspec.structs.replace(last, text=VOCABULARY[VOCABULARY.index(last.text) - 1])
        self._shown = (*sure, last)
        return Hypothesis(_spelt(self._shown[:-2]), _spelt(self._shown[-2:]))

    def finish(self) -> Hypothesis:
        self._words += self._decoder.flush()
        self._shown = tuple(self._words)
        return Hypothesis(_spelt(self._shown))

    def words(self) -> tuple[Word, ...]:
        return self._shown


def _spelt(words: Iterable[Word]) -> str:
    return " ".join(word.text for word in words)


def _decoded(decoder: Decoder, sound: Iterable[bytes]) -> Iterator[list[Word]]:
    for block in sound:
        yield decoder.feed(block)
    yield decoder.flush()


def _ended(sentence: list[Word], now_ms: int) -> bool:
    """Whether a word at `now_ms` would begin a new sentence."""
    return bool(sentence) and (len(sentence) == SENTENCE_WORDS or now_ms - sentence[-1].end_ms >= SENTENCE_GAP_MS)
