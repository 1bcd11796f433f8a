"""Live recognition in no wire format: what the service is asked and what it reports, whatever protocol carries it.

A turn is what the service recognises as one: cut by its own voice activity detection, or by a `Commit` of ours. Times
are milliseconds of the audio sent in this session of the service.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import msgspec

from compat.errors import CompatError


class Detection(msgspec.Struct, frozen=True):
    """The service's voice activity detection. `threshold` from -1 to 1, `silence_ms` from 200 to 6000."""

    threshold: float
    silence_ms: int


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """One session's configuration; it cannot change once audio was sent. `detection` None: turns end by `Commit`."""

    model: str
    format: Literal["pcm", "opus"] = "pcm"
    rate: int = 16000
    language: str | None = None
    context: str = ""
    detection: Detection | None = None


class Started(msgspec.Struct, frozen=True):
    turn: str
    at_ms: int | None


class Stopped(msgspec.Struct, frozen=True):
    turn: str
    at_ms: int | None


class TurnCommitted(msgspec.Struct, frozen=True):
    turn: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What is heard of a turn so far, replacing what was said before: `text` is settled, `stash` may still change."""

    turn: str
    text: str = ""
    stash: str = ""
    language: str | None = None
    emotion: str | None = None


class Final(msgspec.Struct, frozen=True, kw_only=True):
    turn: str
    text: str
    language: str | None = None
    emotion: str | None = None


class TurnFailed(msgspec.Struct, frozen=True):
    turn: str
    error: CompatError


class Finished(msgspec.Struct, frozen=True):
    """Everything asked was answered; the session is over."""


Topic: TypeAlias = Literal["commit", "context", "language", "finish"]

_SIGNS: dict[Topic, tuple[str, ...]] = {
    # The event's name. `input_audio_buffer_commit_empty` is OpenAI's code, whose protocol this one follows.
    "commit": ("commit", "buffer"),
    # `input_audio_transcription.corpus.text`: in the guide of 2026-01, not in that of 2026-05. The words are guesses.
    "context": ("corpus", "context", "prompt"),
    # `input_audio_transcription.language` (guide, 2026-01).
    "language": ("language",),
    # Sessions of Omni answer "Invalid event type: session.finish" (dashscope/dashscope-sdk-python issue 140).
    "finish": ("finish",),
}
"""What shows that a refusal is about a topic. The server-event page of the service has one code only, `invalid_value`,
which says nothing about the topic, so the same words are looked for in the parameter, code and message."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """One message of ours was not taken; the session goes on. `about` is its event id where the service says it."""

    error: CompatError
    about: str | None = None

    def concerns(self, topic: Topic) -> bool:
        """Decided by the event that is refused, else by the parameter it names, else by its code, and by the words of
        its message only where none of these says anything."""
        about = self.about or ""
        if about.startswith("commit"):
            return topic == "commit"
        for said in (self.error.param, self.error.code, self.error.message):
            found = {name for name, signs in _SIGNS.items() if any(sign in (said or "").lower() for sign in signs)}
            if about:
                found.discard("commit")
            if found:
                return topic in found
        return False


class Broken(msgspec.Struct, frozen=True):
    """The service ends the session."""

    error: CompatError


class OtherEvent(msgspec.Struct, frozen=True):
    """A sign of life that says nothing about a turn."""


TurnReport: TypeAlias = Started | Stopped | TurnCommitted | Snapshot | Final | TurnFailed
Report: TypeAlias = TurnReport | Finished | Refused | Broken | OtherEvent


class Dialect(Protocol):
    """One wire format. Text frames are str, binary frames bytes; `event_id` comes back in `Refused.about`."""

    def setup(self, setup: Setup, event_id: str) -> str | bytes: ...

    def append(self, audio: bytes, event_id: str) -> str | bytes: ...

    def commit(self, event_id: str) -> str | bytes: ...

    def finish(self, event_id: str) -> str | bytes: ...

    def read(self, raw: str | bytes) -> Report: ...
