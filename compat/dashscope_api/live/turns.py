"""Live recognition without a wire format: what the service is asked and what it reports, in either protocol.

A turn is what the service recognises as one, ended by its own voice activity detection or by a commit. A session of the
service is a WebSocket session of the realtime protocol, or a task of run-task. Times are milliseconds of the audio sent
in that session.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import msgspec

from compat.errors import CompatError


class Detection(msgspec.Struct, frozen=True):
    """The service's voice activity detection. `threshold` from -1 to 1, `silence_ms` from 200 to 6000. `semantic`: a
    turn ends with a sentence."""

    threshold: float
    silence_ms: int
    semantic: bool = False


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """Live translation into the language `target`, DashScope's code. `voice`: the translation is spoken too, by this
    voice; None: text only. `transcript`: whether the text of the source is needed. `source`: its language, if it is
    known. `phrases` maps phrases of the source
    to their translations."""

    target: str = "en"
    voice: str | None = None
    transcript: bool = False
    source: str | None = None
    phrases: dict[str, str] = {}


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """One session's configuration, which cannot change once audio was sent. Without `detection`, commits end turns.

    With `translation`, the text of a turn is its translation. `vocabulary` maps hot words to weights; `vocabulary_id`
    names a stored list. `tuning`: whether to send parameters that the client did not ask for. `options` are more
    parameters of the service.
    """

    model: str
    format: Literal["pcm", "opus"] = "pcm"
    rate: int = 16000
    language: str | None = None
    context: str = ""
    detection: Detection | None = None
    vocabulary: dict[str, int] = {}
    vocabulary_id: str = ""
    tuning: bool = True
    options: dict[str, Any] = {}
    translation: Translation | None = None


class TurnWord(msgspec.Struct, frozen=True):
    """`sentence`: the number that the service gave its sentence."""

    text: str
    begin_ms: int
    end_ms: int
    sentence: int | None = None


class TurnUsage(msgspec.Struct, frozen=True):
    """What the service bills: tokens, or `seconds` of audio."""

    seconds: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int | None = None


class Opened(msgspec.Struct, frozen=True):
    """The session has begun: audio may be sent. Only sessions with `Rules.acknowledged` report it."""


class Started(msgspec.Struct, frozen=True):
    """`follows`: this is more text of that turn, which has its result. It begins and ends where that turn ends."""

    turn: str
    at_ms: int | None
    follows: str | None = None


class Stopped(msgspec.Struct, frozen=True):
    """`next_ms`: where the next turn begins at the earliest, if the service ends turns sooner than it is asked to."""

    turn: str
    at_ms: int | None
    next_ms: int | None = None


class TurnCommitted(msgspec.Struct, frozen=True):
    turn: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a turn so far, which replaces the snapshot before: `text` is settled, `stash` may still change."""

    turn: str
    text: str = ""
    stash: str = ""
    language: str | None = None
    emotion: str | None = None


class Final(msgspec.Struct, frozen=True, kw_only=True):
    """`usage`: what this turn adds to the bill, None if the service does not say it."""

    turn: str
    text: str
    language: str | None = None
    emotion: str | None = None
    words: tuple[TurnWord, ...] = ()
    usage: TurnUsage | None = None


class SourceText(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a translated turn in its own language, so far. It replaces the one before: `text` is settled, `stash`
    may still change. `final`: it is complete."""

    turn: str
    text: str
    stash: str = ""
    final: bool = False


class Voice(msgspec.Struct, frozen=True):
    """The next piece of a turn's spoken translation: mono 16-bit PCM at 24 kHz."""

    turn: str
    pcm: bytes


class TurnFailed(msgspec.Struct, frozen=True):
    turn: str
    error: CompatError


class Finished(msgspec.Struct, frozen=True):
    """Everything asked was answered, and the session is over. `reusable`: another may begin on the same connection."""

    reusable: bool = False


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


Field: TypeAlias = Literal["context", "language", "vocabulary", "vocabulary_id", "tuning", "options"]
"""A field of `Setup` that the service may refuse, and that can be left out."""


class SetupRefused(msgspec.Struct, frozen=True):
    """The service ends the session because of a field of its setup."""

    error: CompatError
    field: Field


class Broken(msgspec.Struct, frozen=True):
    """The service ends the session."""

    error: CompatError


class OtherEvent(msgspec.Struct, frozen=True):
    """A sign of life that says nothing about a turn."""


TurnReport: TypeAlias = Started | Stopped | TurnCommitted | Snapshot | Final | SourceText | Voice | TurnFailed
Report: TypeAlias = TurnReport | Opened | Finished | Refused | SetupRefused | Broken | OtherEvent


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a protocol requires of the sender. Times are in seconds.

    `frame_bytes`: the audio in one message. `acknowledged`: a session begins with its first audio, which may be sent
    after `Opened`. `idle`: time without audio after which to finish a session. `longest`: audio, and `tokens`: input
    tokens, after which to finish it between two turns. `lingers`: a turn that has its result may get more text until
    its session is finished. `reported`: the service works in real time, and reports speech at most this long
    after it was sent.
    """

    frame_bytes: int
    acknowledged: bool = False
    idle: float | None = None
    longest: float | None = None
    tokens: int | None = None
    lingers: bool = False
    reported: float = 3.0


class Dialect(Protocol):
    """One protocol, on one connection. Text frames are str, binary frames bytes; `event_id` comes back in
    `Refused.about`."""

    rules: ClassVar[Rules]

    @property
    def spent(self) -> int:
        """The input tokens of this session, as far as the service reports them."""

    @property
    def silence(self) -> float | None:
        """Seconds of sound without speech after which this session fails, None if it does not."""

    def setup(self, setup: Setup, event_id: str) -> str | bytes:
        """Begin a session with these settings."""

    def revise(self, setup: Setup, event_id: str) -> str | bytes | None:
        """Change the session's context to that of `setup`, for later audio. None if the protocol cannot."""

    def append(self, audio: bytes, event_id: str) -> str | bytes: ...

    def commit(self, event_id: str) -> str | bytes | None:
        """End a turn. None if only the end of the session ends it."""

    def finish(self, event_id: str) -> str | bytes:
        """End the session. Everything sent is answered before `Finished`."""

    def read(self, raw: str | bytes) -> tuple[Report, ...]:
        """Return the reports in a frame from the service."""
