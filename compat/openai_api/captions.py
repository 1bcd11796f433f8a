"""Captions: readable cues in SubRip and WebVTT format.

A cue is at most 7 s and 84 characters (two lines of 42) long, unless a single word is longer. Cuts fall between words,
preferably after punctuation; scripts without spaces can be cut between any two characters. Cues are in order of time,
lie within the audio and do not overlap. The service's sentences may overlap; the earlier cue is then shortened.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from compat.text import closes_sentence
from compat.transcript import Segment, Transcript, Word

SECONDS = 7.0
CHARACTERS = 84

# Han, kana and Thai are written without spaces. A Thai consonant keeps a vowel written before it and the marks above
# and below it.
_THAI = "[\u0e40-\u0e44]?[\u0e00-\u0e7f][\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]*"
_HAN = "[\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
_CLOSING = "[\u3001\u3002\uff0c\uff01\uff1f\uff1a\uff1b\u2026\u201d\u2019\u300d\u300f\uff09\u300b\u3011,.!?:;)\\]}]"
_SPACELESS = re.compile(
    "[\u0e00-\u0e7f\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
_UNIT = re.compile(rf"\s*(?:(?:{_HAN}|{_THAI}){_CLOSING}*|(?:(?!{_HAN}|[\u0e00-\u0e7f])\S)+)\s*")
_CLOSES = re.compile(_CLOSING)
_CLAUSE_END = re.compile("[,;:\u3001\uff0c\uff1a\uff1b]\\s*$")
_ARROW = re.compile("-{2,}>")


class Cue(msgspec.Struct, frozen=True):
    """A cue. Times are in milliseconds, the resolution of both formats; `text` is one line."""

    start: int
    end: int
    text: str


def srt(transcript: Transcript) -> str:
    """Return the captions as SubRip."""
    return "".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_ARROW.sub('->', cue.text)}\n\n"
        for number, cue in enumerate(cues(transcript), 1)
    )


def vtt(transcript: Transcript) -> str:
    """Return the captions as WebVTT."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{html.escape(cue.text, quote=False)}\n\n"
        for cue in cues(transcript)
    )


def sentences(transcript: Transcript) -> tuple[Segment, ...]:
    """Return the segments. If the service returned none, the whole text is one segment."""
    if transcript.segments or not transcript.text.strip():
        return transcript.segments
    return (Segment(text=transcript.text, start=0.0, end=transcript.duration),)


def apart(segments: Sequence[Segment]) -> list[Segment]:
    """Return the segments with overlaps removed, as in Whisper's output.

    A segment ends at the latest when the next segment of the same channel and speaker starts.
    """
    following: dict[tuple[int | None, str | None], float] = {}
    trimmed = []
    for segment in reversed(segments):
        over = following.get((segment.channel, segment.speaker), segment.end)
        following[segment.channel, segment.speaker] = segment.start
        trimmed.append(msgspec.structs.replace(segment, end=over) if segment.start < over < segment.end else segment)
    return trimmed[::-1]


def cues(transcript: Transcript) -> list[Cue]:
    """Split the transcript into readable cues, in order of time and without overlaps."""
    tracks: dict[tuple[int | None, str | None], list[Segment]] = defaultdict(list)
    for segment in sorted(sentences(transcript), key=lambda segment: segment.start):
        tracks[segment.channel, segment.speaker].append(segment)
    unordered = [cue for track in tracks.values() for cue in _track_cues(track)]
    return _apart(sorted(unordered, key=lambda cue: cue.start), round(transcript.duration * 1000))


def _track_cues(track: list[Segment]) -> Iterator[Cue]:
    """Yield the cues of one speaker. A sentence ends at the latest when the speaker's next sentence starts."""
    following = [segment.start for segment in track[1:]] + [float("inf")]
    earliest = 0
    for segment, over in zip(track, following, strict=True):
        parts = list(_parts(_units(segment)))
        pace = _pace(parts, over)
        for part in parts:
            cue = _cue(part, parts[0][0].start, pace)
            earliest = max(earliest, cue.start)
            yield Cue(earliest, cue.end, cue.text)


def _clock(milliseconds: int, point: str) -> str:
    seconds, fraction = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{fraction:03}"


# --- units that are never split -----------------------------------------------------------------------------------


def _units(segment: Segment) -> list[Word]:
    """Return the words of a segment, joined where a cut is not allowed.

    If the words do not cover the segment's text, they are derived from the text alone.
    """
    glued: list[Word] = []
    for word in _aligned(segment) or _spread(segment):
        if glued and not _may_cut(glued[-1].text, word.text):
            last = glued.pop()
            word = Word(last.text + word.text, last.start, max(last.end, word.end))
        glued.append(word)
    return glued


def _may_cut(left: str, right: str) -> bool:
    if left[-1].isspace() or right[0].isspace():
        return True
    return bool(_SPACELESS.match(left[-1]) or _SPACELESS.match(right[0])) and not _CLOSES.match(right[0])


def _aligned(segment: Segment) -> list[Word]:
    """Return the words, each extended with the text up to the next word. Empty if the words do not match the text."""
    text, words = segment.text, [word for word in segment.words if word.text.strip()]
    places, position = [], 0
    for word in words:
        position = text.find(word.text.strip(), position)
        if position < 0:
            return []
        places.append(position)
        position += len(word.text.strip())
    if not words or text[: places[0]].strip() or text[position:].strip():
        return []
    bounds = [*places, len(text)]
    return [Word(text[bounds[i] : bounds[i + 1]], word.start, word.end) for i, word in enumerate(words)]


def _spread(segment: Segment) -> list[Word]:
    """Return the words of the text. Their times are proportional to their share of its characters."""
    parts = units(segment.text)
    share = (segment.end - segment.start) / max(1, sum(map(len, parts)))
    words, done = [], 0
    for part in parts:
        words.append(Word(part, segment.start + done * share, segment.start + (done + len(part)) * share))
        done += len(part)
    return words


def units(text: str) -> list[str]:
    """Split a text into words, or into characters for scripts without spaces.

    Each unit includes the spaces and punctuation that follow it.
    """
    return _UNIT.findall(text)


# --- cuts ---------------------------------------------------------------------------------------------------------


def _parts(units: list[Word]) -> Iterator[list[Word]]:
    """Split the units into parts of about equal length that fit one cue each."""
    while units:
        cut = len(units) if _fits(units) else _cut(units)
        yield units[:cut]
        units = units[cut:]


def _line(units: list[Word]) -> str:
    return " ".join("".join(unit.text for unit in units).split())


def _fits(units: list[Word]) -> bool:
    return len(_line(units)) <= CHARACTERS and units[-1].end - units[0].start <= SECONDS


def _cut(units: list[Word]) -> int:
    """Return the index of the unit to cut before: near an equal share, and preferably at a clause end or a pause."""
    length = sum(len(unit.text) for unit in units)
    needed = max(2, -(-length // CHARACTERS), int((units[-1].end - units[0].start) // SECONDS) + 1)
    best, least, before = 1, float("inf"), 0
    for place in range(1, len(units)):
        if not _fits(units[:place]):
            break
        before += len(units[place - 1].text)
        cost = abs(before * needed / length - 1) - _bonus(units[place - 1], units[place])
        if cost <= least:
            best, least = place, cost
    return best


def _bonus(left: Word, right: Word) -> float:
    """Return how much punctuation and a pause favour a cut between two units, from 0 to 1.2."""
    pause = min(max(right.start - left.end, 0.0), 1.0) / 2
    if closes_sentence(left.text):
        return 0.7 + pause
    return (0.5 if closes_clause(left.text) else 0.0) + pause


def closes_clause(text: str) -> bool:
    """Whether the text ends a clause or a sentence, after which a speaker may pause."""
    return bool(_CLAUSE_END.search(text)) or closes_sentence(text)


# --- times --------------------------------------------------------------------------------------------------------


def _pace(parts: list[list[Word]], over: float) -> float:
    """Return the factor by which to compress the times of a sentence, usually 1.

    It is less than 1 if the last part would otherwise start after the sentence ends at `over`.
    """
    if not parts or not parts[0][0].start < over <= parts[-1][0].start:
        return 1.0
    start, end = parts[0][0].start, max(parts[-1][0].start, parts[-1][-1].end)
    return (over - start) / (end - start)


def _cue(units: list[Word], origin: float, pace: float) -> Cue:
    start = max(0, round((origin + (units[0].start - origin) * pace) * 1000))
    end = round((origin + (max(unit.end for unit in units) - origin) * pace) * 1000)
    return Cue(start, min(end, start + round(SECONDS * 1000)), _line(units))


def _apart(ordered: list[Cue], duration: int) -> list[Cue]:
    """Remove overlaps. Each cue lasts at least 1 ms and ends before the next cue starts and before the audio ends."""
    starts: list[int] = []
    for cue in ordered:
        starts.append(max(cue.start, starts[-1] + 1) if starts else cue.start)
    limit = max(duration, len(ordered)) if duration else max([cue.end for cue in ordered] + starts, default=0) + 1
    apart: list[Cue] = []
    for cue, late in zip(reversed(ordered), reversed(starts), strict=True):
        start = min(late, limit - 1)
        apart.append(Cue(start, max(start + 1, min(cue.end, limit)), cue.text))
        limit = start
    return apart[::-1]
