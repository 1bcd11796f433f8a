"""Captions: readable cues in SubRip and WebVTT format.

A cue lasts at most 7 s and has two lines of 42 columns, unless a single word is longer or the client sets other limits.
Cues are cut from the transcript's segments; short neighbours of one speaker are merged. A cue stays for as long as it
takes to read, if the next one does not start before. Cues are in order of time, lie within the audio and do not
overlap. The service's sentences may overlap; the earlier cue is then shortened.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest

import msgspec

from compat.openai_api import layout as layouts
from compat.openai_api.layout import SECONDS, Unit
from compat.text import space
from compat.transcript import LAYOUT, Layout, Segment, Transcript, Word

BRIEF = 1.0
"""Seconds: cues that are shown for less are merged with a neighbour that is nearer than this."""

_ARROW = re.compile("-{2,}>")
_Track = tuple[int | None, str | None]


class Cue(msgspec.Struct, frozen=True):
    """A cue. Times are in milliseconds, the resolution of both formats; `text` has a line break between lines."""

    start: int
    end: int
    text: str


def srt(transcript: Transcript, layout: Layout = LAYOUT) -> str:
    """Return the captions as SubRip."""
    return "".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_ARROW.sub('->', cue.text)}\n\n"
        for number, cue in enumerate(cues(transcript, layout), 1)
    )


def vtt(transcript: Transcript, layout: Layout = LAYOUT) -> str:
    """Return the captions as WebVTT."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{html.escape(cue.text, quote=False)}\n\n"
        for cue in cues(transcript, layout)
    )


def sentences(transcript: Transcript) -> tuple[Segment, ...]:
    """Return the segments. If the service returned none, the whole text is one segment."""
    if transcript.segments or not transcript.text.strip():
        return transcript.segments
    return (Segment(text=transcript.text, start=0.0, end=transcript.duration),)


def without_overlaps(segments: Sequence[Segment]) -> list[Segment]:
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


def cues(transcript: Transcript, layout: Layout = LAYOUT) -> list[Cue]:
    """Split the transcript into readable cues, in order of time and without overlaps."""
    tracks: dict[_Track, list[Segment]] = defaultdict(list)
    for segment in sorted(sentences(transcript), key=lambda segment: segment.start):
        tracks[segment.channel, segment.speaker].append(segment)
    parts = [part for track, segments in tracks.items() for part in _track_parts(track, segments, layout)]
    merged = _merged(sorted(parts, key=lambda part: part.start), transcript.duration, layout)
    return _without_overlaps([_cue(part, layout) for part in merged], round(transcript.duration * 1000))


def _clock(milliseconds: int, point: str) -> str:
    seconds, fraction = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{fraction:03}"


# --- parts of segments, and their merging -------------------------------------------------------------------------


class _Part(msgspec.Struct, frozen=True):
    """The units of one cue. `start` is in seconds and not less than that of the part before it in its track."""

    track: _Track
    start: float
    units: Sequence[Unit]

    @property
    def end(self) -> float:
        return max(unit.end for unit in self.units)

    @property
    def reading(self) -> float:
        """The time in seconds to show the cue for."""
        return min(max(BRIEF, sum(unit.reading + unit.gap / layouts.NARROW_PER_SECOND for unit in self.units)), SECONDS)


def _track_parts(track: _Track, segments: Sequence[Segment], layout: Layout) -> Iterator[_Part]:
    """Yield the parts of one speaker. A sentence ends at the latest when the speaker's next sentence starts."""
    following = [segment.start for segment in segments[1:]] + [float("inf")]
    earliest = 0.0
    for segment, over in zip(segments, following, strict=True):
        for part in _paced(list(layouts.parts(_units(segment, layout), layout)), over):
            earliest = max(earliest, part[0].start)
            yield _Part(track, earliest, part)


def _units(segment: Segment, layout: Layout) -> list[Unit]:
    """Return the units of a segment. If its words do not cover its text, they are derived from the text alone."""
    words = _aligned(segment) or layouts.spread(Word(segment.text, segment.start, segment.end))
    return layouts.units(segment.text, words, layout)


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
    bounds = [0, *places[1:], len(text)]
    return [
        Word(text[first:last], word.start, word.end)
        for word, (first, last) in zip(words, pairwise(bounds), strict=True)
    ]


def _merged(ordered: Sequence[_Part], duration: float, layout: Layout) -> list[_Part]:
    """Merge neighbours of one speaker that are too short or too fast to read, as far as they fit one cue."""
    merged: list[_Part] = []
    for part, after in zip_longest(ordered, ordered[1:]):
        until = after.start if after else duration or part.end
        merged.append(part)
        while len(merged) > 1 and (whole := _whole(merged[-2], merged[-1], until, layout)):
            merged[-2:] = [whole]
    return merged


def _whole(first: _Part, second: _Part, until: float, layout: Layout) -> _Part | None:
    """Return two parts as one, or None if they are better apart. `until` is the start of the next part, or the
    end of the audio."""
    shown = second.start - first.start
    brief, hasty = min(shown, until - second.start) < BRIEF, shown < first.reading
    if first.track != second.track or second.start - first.end >= BRIEF or not (brief or hasty):
        return None
    last = first.units[-1]
    last = msgspec.structs.replace(last, gap=len(space(last.text, second.units[0].text)))
    whole = _Part(first.track, first.start, [*first.units[:-1], last, *second.units])
    fits = layouts.fits(whole.units, layout) and (brief or until - first.start >= whole.reading)
    return whole if fits else None


# --- times --------------------------------------------------------------------------------------------------------


def _paced(parts: list[Sequence[Unit]], over: float) -> list[Sequence[Unit]]:
    """Compress the times of a sentence whose last part would otherwise start after the sentence ends at `over`."""
    if not parts or not parts[0][0].start < over <= parts[-1][0].start:
        return parts
    start, end = parts[0][0].start, max(parts[-1][0].start, parts[-1][-1].end)
    pace = (over - start) / (end - start)
    return [
        [
            msgspec.structs.replace(
                unit, start=start + (unit.start - start) * pace, end=start + (unit.end - start) * pace
            )
            for unit in part
        ]
        for part in parts
    ]


def _cue(part: _Part, layout: Layout) -> Cue:
    """Return the cue of a part. It stays for as long as it takes to read; `_without_overlaps` ends it when the next one
    starts."""
    start, end = max(0.0, part.start), max(part.end, part.start + part.reading)
    text = "\n".join(layouts.lines(part.units, layout))
    return Cue(round(start * 1000), round(min(end, start + SECONDS) * 1000), text)


def _without_overlaps(ordered: list[Cue], duration: int) -> list[Cue]:
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
