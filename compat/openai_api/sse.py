"""Frames of a streamed transcript: `transcript.text.delta`, then one `transcript.text.done`; no `[DONE]` after it.
Where speakers are told apart, `transcript.text.segment` too.

Some clients read only the deltas, so that they joined are `done.text`. A comment line is ignored by all clients and
keeps proxies from cutting a silent connection.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from compat.errors import CompatError
from compat.openai_api import diarized
from compat.openai_api.render import Dashscope, DetectedLanguage, dashscope, heard
from compat.openai_api.usage import Tokens, tokens
from compat.transcript import Ask, Transcript

PING = b": ping\n\n"


class TextDelta(msgspec.Struct, frozen=True):
    """`segment_id` names the segment that the text belongs to, where speakers are told apart."""

    delta: str
    segment_id: str | msgspec.UnsetType = msgspec.UNSET
    type: Literal["transcript.text.delta"] = "transcript.text.delta"


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """`usage` is in tokens whatever the model: OpenAI's schema has no other here."""

    type: Literal["transcript.text.done"] = "transcript.text.done"
    text: str
    languages: list[DetectedLanguage] | msgspec.UnsetType = msgspec.UNSET
    usage: Tokens
    dashscope: Dashscope


def delta(text: str, segment_id: str | msgspec.UnsetType = msgspec.UNSET) -> bytes:
    return _frame(TextDelta(text, segment_id))


def done(transcript: Transcript, ask: Ask) -> bytes:
    return _frame(
        Done(
            text=transcript.text,
            languages=heard(transcript, ask),
            usage=tokens(transcript, ask),
            dashscope=dashscope(transcript, ask),
        )
    )


def error(exc: CompatError) -> bytes:
    """What went wrong after the first byte: the status line is gone, the error object is not."""
    return _frame(exc.body())


class TextDeltas:
    """Keeps the promise that the deltas joined are `done.text`: the last delta brings what is missing."""

    def __init__(self) -> None:
        self.said = ""

    def feed(self, text: str) -> list[bytes]:
        self.said += text
        return [delta(text)] if text else []

    def flush(self, transcript: Transcript, ask: Ask) -> list[bytes]:
        """The end. A transcript that contradicts what was said loses: what was said cannot be taken back."""
        rest = transcript.text.removeprefix(self.said) if transcript.text.startswith(self.said) else ""
        frames = self._spoken(transcript, rest) if ask.wants_speakers else self.feed(rest)
        return [*frames, done(msgspec.structs.replace(transcript, text=self.said), ask)]

    def _spoken(self, transcript: Transcript, rest: str) -> list[bytes]:
        """Who said what is known at the end only: each segment follows its own text, or all the text said before."""
        parts = diarized.segments(transcript)
        if self.said or not parts:
            return [*self.feed(rest), *map(_frame, parts)]
        self.said = rest
        frames: list[bytes] = []
        for text, part in diarized.cut(rest, parts):
            frames += [delta(text, part.id)] if text else []
            frames.append(_frame(part))
        return frames


def _frame(message: object) -> bytes:
    return b"data: " + msgspec.json.encode(message) + b"\n\n"
