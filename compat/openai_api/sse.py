"""Frames of a streamed transcript: `transcript.text.delta`, then one `transcript.text.done`; no `[DONE]` after it.

Some clients read only the deltas, so that they joined are `done.text`. A comment line is ignored by all clients and
keeps proxies from cutting a silent connection.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from compat.errors import CompatError
from compat.openai_api.render import Dashscope, Language, dashscope, heard
from compat.openai_api.usage import Tokens, tokens
from compat.transcript import Ask, Transcript

PING = b": ping\n\n"


class Delta(msgspec.Struct, frozen=True):
    delta: str
    type: Literal["transcript.text.delta"] = "transcript.text.delta"


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """`usage` is in tokens whatever the model: OpenAI's schema has no other here."""

    type: Literal["transcript.text.done"] = "transcript.text.done"
    text: str
    languages: list[Language] | msgspec.UnsetType = msgspec.UNSET
    usage: Tokens
    dashscope: Dashscope


def delta(text: str) -> bytes:
    return _frame(Delta(text))


def done(transcript: Transcript, ask: Ask) -> bytes:
    return _frame(
        Done(
            text=transcript.text,
            languages=heard(transcript, ask),
            usage=tokens(transcript, ask),
            dashscope=dashscope(transcript),
        )
    )


def error(exc: CompatError) -> bytes:
    """What went wrong after the first byte: the status line is gone, the error object is not."""
    return _frame(exc.body())


class Deltas:
    """Keeps the promise that the deltas joined are `done.text`: the last delta brings what is missing."""

    def __init__(self) -> None:
        self.said = ""

    def feed(self, text: str) -> list[bytes]:
        self.said += text
        return [delta(text)] if text else []

    def flush(self, transcript: Transcript, ask: Ask) -> list[bytes]:
        """The end. A transcript that contradicts what was said loses: what was said cannot be taken back."""
        frames = self.feed(transcript.text.removeprefix(self.said)) if transcript.text.startswith(self.said) else []
        return [*frames, done(msgspec.structs.replace(transcript, text=self.said), ask)]


def _frame(message: object) -> bytes:
    return b"data: " + msgspec.json.encode(message) + b"\n\n"
