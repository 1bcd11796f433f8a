"""Speaker diarization: the segments of `diarized_json`, which also serve as events of its stream.

Speakers are named A, B, … in order of their first segment.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from compat.openai_api.captions import sentences, without_overlaps
from compat.transcript import Segment, Transcript


class DiarizedSegment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment. `channel` is set if the request named several channels, `language` and `emotion` if the service
    reports them."""

    type: Literal["transcript.text.segment"] = "transcript.text.segment"
    id: str
    start: float
    end: float
    text: str
    speaker: str
    channel: int | msgspec.UnsetType = msgspec.UNSET
    language: str | msgspec.UnsetType = msgspec.UNSET
    emotion: str | msgspec.UnsetType = msgspec.UNSET


def segments(transcript: Transcript) -> list[DiarizedSegment]:
    """Return one segment per sentence. If the service names no speakers, each channel counts as one speaker."""
    parts = without_overlaps(sentences(transcript))
    names = labels(parts)
    return [
        DiarizedSegment(
            id=f"seg_{number:03}",
            start=part.start,
            end=part.end,
            text=part.text,
            speaker=names[part.channel, part.speaker],
            channel=msgspec.UNSET if part.channel is None else part.channel,
            language=part.language or msgspec.UNSET,
            emotion=part.emotion or msgspec.UNSET,
        )
        for number, part in enumerate(parts, 1)
    ]


def labels(parts: Sequence[Segment]) -> dict[tuple[int | None, str | None], str]:
    """Map (channel, the service's speaker id) to the name of the speaker."""
    speakers = dict.fromkeys((part.channel, part.speaker) for part in parts)
    return {speaker: label(number) for number, speaker in enumerate(speakers)}


def label(number: int) -> str:
    """Return the name of a speaker: A to Z, then AA, AB, …, like the columns of a spreadsheet."""
    before, letter = divmod(number, 26)
    return (label(before - 1) if before else "") + string.ascii_uppercase[letter]


def cut(text: str, parts: list[DiarizedSegment]) -> Iterator[tuple[str, DiarizedSegment]]:
    """Split `text` at the segments and yield (part of the text, its segment).

    Text outside of any segment goes to the preceding segment, or to the first one.
    """
    places, position = [], 0
    for part in parts:
        start = text.find(part.text.strip(), position)
        places.append(position if start < 0 else start)
        position = places[-1] if start < 0 else start + len(part.text.strip())
    bounds = [0, *places[1:], len(text)]
    for number, part in enumerate(parts):
        yield text[bounds[number] : bounds[number + 1]], part
