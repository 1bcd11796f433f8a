"""Reads the answers of `/v1/audio/transcriptions`, as OpenAI and the servers that copy it write them.

Times are exact where the answer has words, and at the edges of segments where it has those. Everything else is spread
over the speech by the letters of the text.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from compat.emulator.engine import Sentence, Word
from compat.emulator.remote import names
from compat.emulator.remote.cutting import Piece, Span
from compat.emulator.text import PUNCTUATION, TOKEN, separator

ENDS: Final = (".", "?", "!", "…", "。", "？", "！")
_TAGGED: Final = re.compile(r"\s*language\s+([^<\n]{1,40}?)\s*<asr_text>\s*")  # Qwen3-ASR without vLLM's cleaning
_MARK: Final = re.compile(r"<\|\s*([^|<>]{0,40}?)\s*\|>")  # SenseVoice: <|zh|><|HAPPY|><|Speech|><|withitn|>
_NANOSECONDS: Final = 1e6  # larger numbers are no seconds of a piece
_EMOTIONS: Final = frozenset({"neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"})


class Timed(msgspec.Struct, frozen=True):
    """A text with its span in milliseconds from the start of the piece."""

    text: str
    begin_ms: int
    end_ms: int
    speaker: int | None = None


class RemoteAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`segments` and `words` are empty if the server gives no times."""

    text: str
    language: str | None = None
    emotion: str | None = None
    segments: tuple[Timed, ...] = ()
    words: tuple[Timed, ...] = ()


def of_text(text: str) -> RemoteAnswer:
    cleaned, language, emotion = _cleaned(text)
    return RemoteAnswer(text=cleaned, language=language or names.by_script(cleaned), emotion=emotion)


def of_json(body: dict[str, Any]) -> RemoteAnswer | None:
    """Return the answer in a JSON object, None if it has no text. Members of the wrong type count as missing."""
    segments = [part for part in _list(body.get("segments")) if isinstance(part, dict)]
    text = body.get("text")
    if not isinstance(text, str):
        if not segments:
            return None
        text = "".join(str(part.get("text") or "") for part in segments)
    plain = of_text(text)
    nested = [word for part in segments for word in _list(part.get("words"))]
    return RemoteAnswer(
        text=plain.text,
        language=plain.language if _TAGGED.search(text) else names.code(body.get("language")) or plain.language,
        emotion=plain.emotion,
        segments=tuple(_timed(segments, "text")),
        words=tuple(_timed(_list(body.get("words")) or nested, "word")),
    )


def problem(body: object) -> str:
    """Return the message of an error response, in any of the forms that servers use; at most 200 characters."""
    if isinstance(body, dict):
        for name in ("error", "message", "detail", "msg"):
            found = body.get(name)
            if isinstance(found, dict | list):
                found = problem(found)
            if isinstance(found, str) and found.strip():
                return " ".join(found.split())[:200]
    if isinstance(body, list):
        return next(filter(None, map(problem, body)), "")
    return ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _timed(parts: Iterable[Any], name: str) -> Iterator[Timed]:
    """Yield the parts that have a text and times in seconds."""
    for part in parts:
        if not isinstance(part, dict):
            continue
        text, begin, end = part.get(name) or part.get("text"), _ms(part.get("start")), _ms(part.get("end"))
        cleaned = _cleaned(text)[0] if isinstance(text, str) else ""
        if cleaned and begin is not None and end is not None and 0 <= begin <= end:
            yield Timed(cleaned, begin, end, _speaker(part.get("speaker", part.get("spk"))))


def _speaker(label: object) -> int | None:
    """Return the number in a label, such as `SPEAKER_01` or 1; that of a letter, from A."""
    text = str(label).strip().upper()
    if number := re.search(r"\d{1,3}$", text):
        return int(number[0])
    return ord(text) - ord("A") if re.fullmatch(r"[A-Z]", text) else None


def _ms(value: object) -> int | None:
    """Return milliseconds from seconds, or from nanoseconds, which older versions of LocalAI give."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else None
        return None if seconds is None else round(seconds * 1000 if seconds < _NANOSECONDS else seconds / 1_000_000)
    except (ValueError, OverflowError):
        return None


def _cleaned(text: str) -> tuple[str, str | None, str | None]:
    """Return the text without the marks of models, and the language and emotion that they name."""
    tagged = _TAGGED.search(text)
    marks = [mark[1].lower() for mark in _MARK.finditer(text)]
    language = names.code(tagged[1]) if tagged else next((m for m in marks if names.code(m) == m and len(m) < 4), None)
    if tagged and tagged[1].lower() == "none":
        language = None
    emotion = next((mark for mark in marks if mark in _EMOTIONS), None)
    return _in_one_line(_MARK.sub("", _TAGGED.sub(" ", text))), language, emotion


def _in_one_line(text: str) -> str:
    """Join the lines of a text: whisper.cpp breaks it after each segment, also within a sentence."""
    lines = filter(None, map(str.strip, text.split("\n")))
    return functools.reduce(lambda before, after: before + separator(before, after) + after, lines, "")


class _Clock:
    """Maps letters of a text to times: spans in order, each with a share of the letters."""

    def __init__(self, parts: Sequence[tuple[int, int, float]]) -> None:
        self._parts = parts
        self._ends = list(itertools.accumulate(share for *_, share in parts))

    def at(self, share: float, *, end: bool) -> int:
        """Return the time of a position, from 0 to 1. Between two spans it is the end of the first or the begin of the
        second one."""
        wanted = share * self._ends[-1]
        slack = self._ends[-1] * 1e-9
        find = bisect.bisect_left if end else bisect.bisect_right
        index = min(find(self._ends, wanted - slack if end else wanted + slack), len(self._parts) - 1)
        begin_ms, end_ms, size = self._parts[index]
        within = wanted - (self._ends[index] - size)
        return round(begin_ms + (end_ms - begin_ms) * min(1.0, max(0.0, within / size)))


def sentences(answer: RemoteAnswer, piece: Piece) -> Iterator[Sentence]:
    """Yield the sentences of an answer. Times become those of the whole audio and stay within the piece."""
    if not answer.text:
        return
    words, segments = _placed(answer.words, piece), _placed(answer.segments, piece)
    if not segments:
        yield from _split(answer, answer.text, _clock(words, piece.spoken, (piece.begin_ms, piece.end_ms)), None)
        return
    for number, segment in enumerate(segments):
        last = number + 1 == len(segments)
        middle = [(word.begin_ms + word.end_ms) // 2 for word in words]
        own = [
            word
            for word, at in zip(words, middle, strict=True)
            if segment.begin_ms <= at < segment.end_ms or (last and at >= segment.end_ms)
        ]
        clock = _clock(own, piece.spoken, (segment.begin_ms, segment.end_ms))
        yield from _split(answer, segment.text, clock, segment.speaker)


def _placed(parts: Sequence[Timed], piece: Piece) -> list[Timed]:
    """Return the parts with times of the whole audio, in order and without overlaps."""
    placed: list[Timed] = []
    for part in sorted(parts, key=lambda part: part.begin_ms)[::-1]:
        begin, end = (min(piece.begin_ms + at, piece.end_ms) for at in (part.begin_ms, part.end_ms))
        end = min(end, placed[-1].begin_ms) if placed else end
        placed.append(Timed(part.text, begin, max(begin, end), part.speaker))
    return placed[::-1]


def _clock(words: Sequence[Timed], spoken: Iterable[Span], around: Span) -> _Clock:
    if words:
        return _Clock([(word.begin_ms, word.end_ms, float(_letters(word.text))) for word in words])
    parts = [(max(begin, around[0]), min(end, around[1])) for begin, end in spoken]
    inside = [(begin, end, float(end - begin)) for begin, end in parts if begin < end]
    return _Clock(inside or [(*around, float(max(1, around[1] - around[0])))])


def _letters(text: str) -> int:
    return max(1, sum(map(str.isalnum, text)))


def _split(answer: RemoteAnswer, text: str, clock: _Clock, speaker: int | None) -> Iterator[Sentence]:
    """Yield the sentences of a text, which end at their punctuation."""
    tokens = _tokens(text)
    total = sum(_letters(word) for word, _, _ in tokens)
    before, begin, words = 0, 0, list[Word]()
    for number, (word, punctuation, end) in enumerate(tokens):
        after = before + _letters(word)
        words.append(Word(word, clock.at(before / total, end=False), clock.at(after / total, end=True), punctuation))
        before = after
        if punctuation.endswith(ENDS) or number + 1 == len(tokens):
            yield Sentence(
                text=text[begin:end].strip(),
                begin_ms=words[0].begin_ms,
                end_ms=max(words[-1].end_ms, words[0].begin_ms),
                words=tuple(words),
                speaker=speaker,
                language=answer.language,
                emotion=answer.emotion,
            )
            begin, words = end, []


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """Return the words, each with its punctuation and the position of its end in the text."""
    found: list[tuple[str, str, int]] = []
    for match in TOKEN.finditer(text):
        token = match[0].strip()
        word = token.rstrip(PUNCTUATION)
        punctuation = token[len(word) :]
        if word:
            found.append((word, punctuation, match.end()))
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + punctuation, match.end())
    return found
