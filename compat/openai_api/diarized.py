"""Who said what: the segments of `diarized_json` and the events of its stream, which are the same objects.

Speakers are A, B, … in the order in which they are first heard.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from compat.openai_api.captions import apart, sentences
from compat.transcript import Segment, Transcript


class DiarizedSegment(msgspec.Struct, frozen=True, kw_only=True):
    """`channel` is told where several were asked for."""

    type: Literal["transcript.text.segment"] = "transcript.text.segment"
    id: str
    start: float
    end: float
    text: str
    speaker: str
    channel: int | msgspec.UnsetType = msgspec.UNSET


def segments(transcript: Transcript) -> list[DiarizedSegment]:
    """One a sentence. Where the service tells no speaker, each channel is one."""
    spoken = apart(sentences(transcript))
    names = labels(spoken)
    return [
        DiarizedSegment(
            id=f"seg_{number:03}",
            start=part.start,
            end=part.end,
            text=part.text,
            speaker=names[part.channel, part.speaker],
            channel=msgspec.UNSET if part.channel is None else part.channel,
        )
        for number, part in enumerate(spoken, 1)
    ]


def labels(parts: Sequence[Segment]) -> dict[tuple[int | None, str | None], str]:
    """The channels with the service's own marks of their speakers, and what they are called here."""
    speakers = dict.fromkeys((part.channel, part.speaker) for part in parts)
    return {speaker: label(number) for number, speaker in enumerate(speakers)}


def label(number: int) -> str:
    """A to Z, then AA and on, as the columns of a table."""
    before, letter = divmod(number, 26)
    return (label(before - 1) if before else "") + string.ascii_uppercase[letter]


def cut(text: str, parts: list[DiarizedSegment]) -> Iterator[tuple[str, DiarizedSegment]]:
    """All of `text` with the segment that each piece of it belongs to; what is in no segment goes with the one before,
    or with the first."""
    places, position = [], 0
    for part in parts:
        found = text.find(part.text.strip(), position)
        places.append(position if found < 0 else found)
        position = places[-1] if found < 0 else found + len(part.text.strip())
    bounds = [0, *places[1:], len(text)]
    for number, part in enumerate(parts):
        yield text[bounds[number] : bounds[number + 1]], part
