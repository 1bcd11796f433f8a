"""Live recognition without a wire format: the requests to the service and its reports, the same for every protocol.

A turn is one utterance; the service's voice activity detection or a commit ends it. A session of the service is a
WebSocket session of the realtime protocol, or a task of run-task. Times are milliseconds of the audio sent in that
session.
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
    """Live translation into the language `target`, DashScope's code.

    `voice` speaks the translation; None means text only. `transcript`: whether the text of the source is needed.
    `source`: its language, if known. `phrases` maps phrases of the source to their translations.
    """

    target: str = "en"
    voice: str | None = None
    transcript: bool = False
    source: str | None = None
    phrases: dict[str, str] = {}


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of one session, fixed once audio is sent. Without `detection`, commits end turns.

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
    """A word. `sentence`: the service's number of its sentence."""

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
    """The session has begun, and audio may be sent. Reported only with `Rules.acknowledged`."""


class Started(msgspec.Struct, frozen=True):
    """A turn begins. If it `follows` a turn that has its final report, it holds more text of that turn, and begins and
    ends where that turn ended."""

    turn: str
    at_ms: int | None
    follows: str | None = None


class Stopped(msgspec.Struct, frozen=True):
    """The speech of a turn ends. `next_ms`: the earliest start of the next turn, if that can be before `at_ms`, because
    the service ends turns sooner than requested."""

    turn: str
    at_ms: int | None
    next_ms: int | None = None


class TurnCommitted(msgspec.Struct, frozen=True):
    turn: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a turn so far, in place of the previous snapshot: `text` is settled, `stash` may still change."""

    turn: str
    text: str = ""
    stash: str = ""
    language: str | None = None
    emotion: str | None = None


class Final(msgspec.Struct, frozen=True, kw_only=True):
    """The final text of a turn. `usage`: what the turn adds to the bill, None if the service does not report it."""

    turn: str
    text: str
    language: str | None = None
    emotion: str | None = None
    words: tuple[TurnWord, ...] = ()
    usage: TurnUsage | None = None


class SourceText(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a translated turn in the language of its source so far, in place of the previous one: `text` is
    settled, `stash` may still change. `final`: it is complete."""

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
    """The session is over and has no more reports. `reusable`: another may begin on the same connection."""

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
"""Words in the parameter, code or message of a refusal that tell its topic. The service documents one code only,
`invalid_value`, which does not tell it (server-event page)."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The service refused one message; the session continues. `about` is the message's event id, if reported."""

    error: CompatError
    about: str | None = None

    def concerns(self, topic: Topic) -> bool:
        """Return whether the refusal is about `topic`.

        The refused event decides, else the parameter, else the code, else the words of the message.
        """
        about = self.about or ""
        if about.startswith("commit"):
            return topic == "commit"
        for text in (self.error.param, self.error.code, self.error.message):
            found = {name for name, signs in _SIGNS.items() if any(sign in (text or "").lower() for sign in signs)}
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
    """An event without a report about a turn. It shows that the service is alive."""


TurnReport: TypeAlias = Started | Stopped | TurnCommitted | Snapshot | Final | SourceText | Voice | TurnFailed
Report: TypeAlias = TurnReport | Opened | Finished | Refused | SetupRefused | Broken | OtherEvent


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a protocol requires of the sender. Times are in seconds.

    `frame_bytes`: maximum audio in one message. `acknowledged`: a session begins with its first audio, which may be
    sent after `Opened`. `idle`: time without audio after which to finish a session. `longest` and `tokens`: audio and
    input tokens after which to finish it between two turns. `lingers`: a turn may get more text after its final report,
    until its session is finished.
    """

    frame_bytes: int
    acknowledged: bool = False
    idle: float | None = None
    longest: float | None = None
    tokens: int | None = None
    lingers: bool = False


class Dialect(Protocol):
    """A protocol on one connection: writes the client's frames and reads the service's. Text frames are str, binary
    frames bytes. A refusal repeats the `event_id` in `Refused.about`."""

    rules: ClassVar[Rules]

    @property
    def spent(self) -> int:
        """The input tokens of this session that the service has reported."""

    @property
    def silence(self) -> float | None:
        """Seconds of audio without speech after which this session fails, None if it never does."""

    def setup(self, setup: Setup, event_id: str) -> str | bytes:
        """Return the frame that begins a session."""

    def revise(self, setup: Setup, event_id: str) -> str | bytes | None:
        """Return the frame that changes the context for later audio, or None if the protocol has none."""

    def append(self, audio: bytes, event_id: str) -> str | bytes: ...

    def commit(self, event_id: str) -> str | bytes | None:
        """Return the frame that ends a turn, or None if only the end of the session ends it."""

    def finish(self, event_id: str) -> str | bytes:
        """Return the frame that ends the session. The service reports all turns before `Finished`."""

    def read(self, raw: str | bytes) -> tuple[Report, ...]:
        """Return the reports in a frame from the service."""
