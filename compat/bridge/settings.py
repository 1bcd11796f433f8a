"""What the service is told of the caller's configuration."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
from msgspec import UNSET

from compat.bridge.actions import Outbox
from compat.dashscope_api.realtime.turns import Detection, Setup
from compat.errors import CompatError
from compat.openai_api.realtime import server_events as ours
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.session import Session, Vad, apply
from compat.openai_api.realtime.views import Applied, SessionView, view

SENTENCES = Detection(threshold=0.0, silence_ms=800)
"""How the service finds the sentences of a turn that the caller ends, where that turn is heard while it is spoken: it
gives no text of a turn by hand before the commit."""


class Target(msgspec.Struct, frozen=True):
    """`joins`: what the service finds as turns are sentences of one turn, which the caller ends."""

    setup: Setup
    joins: bool = False

    @property
    def by_hand(self) -> bool:
        """Whether the caller ends its turns."""
        return self.joins or self.setup.detection is None

    def without(self, fields: frozenset[str]) -> Target:
        """The same without what the service refused before."""
        setup = msgspec.structs.replace(
            self.setup,
            context="" if "context" in fields else self.setup.context,
            language=None if "language" in fields else self.setup.language,
        )
        return Target(setup, self.joins)

    def cuts(self, before: Target) -> bool:
        """Whether an open turn has to end: its audio format changes."""
        return (self.setup.format, self.setup.rate) != (before.setup.format, before.setup.rate)


def target(session: Session) -> Target:
    joins = session.vad is None and session.live
    said = setup(session)
    return Target(msgspec.structs.replace(said, detection=SENTENCES) if joins else said, joins)


def setup(session: Session) -> Setup:
    """G.711 goes up as PCM at 8 kHz, every other PCM at 16 kHz, Opus as it is."""
    return Setup(
        model=session.native,
        format="opus" if session.format.encoding == "opus" else "pcm",
        rate=8000 if session.format.encoding in ("ulaw", "alaw") else 16000,
        language=session.spoken,
        context=session.context,
        detection=detection(session.vad),
    )


def detection(vad: Vad | None) -> Detection | None:
    return Detection(threshold(vad.threshold), vad.silence_duration_ms) if vad else None


def threshold(openai: float) -> float:
    """OpenAI's 0…1 on the service's -1…1, piecewise linear: 0.5 is 0.2, the default of either."""
    return round(-1 + openai * 2.4 if openai <= 0.5 else 0.2 + (openai - 0.5) * 1.6, 4)


DEFAULT_MODEL = "qwen3-asr-flash-realtime"
_VOICE_MODEL = re.compile(r"gpt-.*(realtime|audio).*")
_FIELDS = {"context": "transcription.prompt", "language": "transcription.language"}


class Configuration:
    """`refused` names the fields of a Setup that the service does not take. `engine` answers in the service's place."""

    def __init__(
        self, opening: Opening, outbox: Outbox, resolve: Callable[[str], str], expires_at: int, engine: str
    ) -> None:
        self.session = Session(transcription=opening.transcription, native=DEFAULT_MODEL, engine=engine)
        self.refused: frozenset[str] = frozenset()
        self._opening = opening
        self._id = outbox.ids("sess")
        self._outbox = outbox
        self._resolve = resolve
        self._expires_at = expires_at

    def refuse(self, field: str) -> None:
        """The service does not take this field of a Setup."""
        self.refused |= {field}

    @property
    def target(self) -> Target:
        return target(self.session).without(self.refused)

    def open(self, configured: Patch | None) -> CompatError | None:
        """What the query and an ephemeral key configure. Returns what is wrong with the query's model."""
        error = self._named(self._opening.model)
        if configured is not None:
            self.session = apply(self.session, configured, self._resolve)
        return error

    def _named(self, model: str | None) -> CompatError | None:
        """The model of the query: one that transcribes, or a voice model, whose name is kept and nothing more."""
        if model is None:
            return None
        try:
            native = self._resolve(model)
        except CompatError as error:
            if not _VOICE_MODEL.fullmatch(model):
                return type(error)(error.message, param="model", code=error.code)
            self.session = msgspec.structs.replace(self.session, voice_model=model)
        else:
            self.session = msgspec.structs.replace(self.session, model=model, native=native)
        return None

    def update(self, patch: Patch) -> None:
        """Raises CompatError; nothing is changed then."""
        self.session = apply(self.session, patch, self._resolve)
        self.tell()

    def greet(self) -> None:
        shape = ours.TranscriptionSessionCreated if self._opening.beta_names else ours.SessionCreated
        self._outbox.say(shape(event_id=self._outbox.event_id(), session=self._view()))

    def tell(self) -> None:
        """What is applied from now on."""
        shape = ours.TranscriptionSessionUpdated if self._opening.beta_names else ours.SessionUpdated
        self._outbox.say(shape(event_id=self._outbox.event_id(), session=self._view()))

    def _view(self) -> SessionView:
        detection = setup(self.session).detection
        applied = Applied(
            model=self.session.native,
            threshold=detection.threshold if detection else None,
            silence_duration_ms=detection.silence_ms if detection else None,
            live_deltas=self.session.live_deltas,
            engine=self.session.engine or UNSET,
            ignored=tuple(sorted(self.session.ignored | {_FIELDS[field] for field in self.refused})),
        )
        return view(self.session, self._opening, self._id, self._expires_at, applied)
