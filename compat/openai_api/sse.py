"""Server-sent events of a streamed transcript.

A stream consists of `transcript.text.delta` events and one `transcript.text.done`, without a final `[DONE]`. With
speaker diarization it also has `transcript.text.segment` events. The deltas join to `done.text`, because some clients
read only the deltas. Comment lines, which clients ignore, keep proxies from closing an idle connection.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from compat.errors import CompatError
from compat.openai_api import diarized
from compat.openai_api.jobs import Progress
from compat.openai_api.render import Dashscope, DetectedLanguage, dashscope, detected_languages
from compat.openai_api.usage import Tokens, tokens
from compat.transcript import Ask, Transcript

PING = b": ping\n\n"


def ping(progress: Progress) -> bytes:
    """Return a comment that keeps the connection open, with the progress if it is known."""
    return PING if progress.seconds_done is None else b": progress " + msgspec.json.encode(progress) + b"\n\n"


class TextDelta(msgspec.Struct, frozen=True):
    """A delta. With speaker diarization, `segment_id` names the segment of the text."""

    delta: str
    segment_id: str | msgspec.UnsetType = msgspec.UNSET
    type: Literal["transcript.text.delta"] = "transcript.text.delta"


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """The last event. `usage` is always in tokens: OpenAI's schema has no other type here."""

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
            languages=detected_languages(transcript, ask),
            usage=tokens(transcript, ask),
            dashscope=dashscope(transcript, ask),
        )
    )


def error(exc: CompatError) -> bytes:
    """Return an error event, for errors after the status line has been sent."""
    return _frame(exc.body())


class TextDeltas:
    """Builds the events of a stream such that the deltas join to `done.text`: the last delta adds the missing text."""

    def __init__(self) -> None:
        self.sent = ""

    def feed(self, text: str) -> list[bytes]:
        """Return the events for more text."""
        self.sent += text
        return [delta(text)] if text else []

    def flush(self, transcript: Transcript, ask: Ask) -> list[bytes]:
        """Return the last events of the stream.

        If the transcript contradicts the deltas, `done.text` is the text of the deltas, which cannot be taken back.
        """
        rest = transcript.text.removeprefix(self.sent) if transcript.text.startswith(self.sent) else ""
        frames = self._with_segments(transcript, rest) if ask.wants_speakers else self.feed(rest)
        return [*frames, done(msgspec.structs.replace(transcript, text=self.sent), ask)]

    def _with_segments(self, transcript: Transcript, rest: str) -> list[bytes]:
        """Return the deltas and segments of a diarized transcript, whose speakers are known only at its end.

        Each segment follows its own text. If deltas have been sent before, all segments follow the whole text.
        """
        parts = diarized.segments(transcript)
        if self.sent or not parts:
            return [*self.feed(rest), *map(_frame, parts)]
        self.sent = rest
        frames: list[bytes] = []
        for text, part in diarized.cut(rest, parts):
            frames += [delta(text, part.id)] if text else []
            frames.append(_frame(part))
        return frames


def _frame(message: object) -> bytes:
    return b"data: " + msgspec.json.encode(message) + b"\n\n"
