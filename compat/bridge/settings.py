"""The settings of a session: as the client requested them, as they are reported to it, and as the service gets them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec
from msgspec import UNSET

from compat.bridge.actions import Outbox
from compat.dashscope_api.live.turns import Detection, Setup
from compat.errors import CompatError
from compat.openai_api.realtime import server_events as ours
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.session import Session, Vad, apply
from compat.openai_api.realtime.views import Applied, view

DEFAULT_MODEL = "qwen3-asr-flash-realtime"
_VOICE_MODEL = re.compile(r"gpt-.*(realtime|audio).*")
_FIELDS = {"context": "transcription.prompt", "language": "transcription.language"}
_Report: TypeAlias = (
    ours.SessionCreated | ours.SessionUpdated | ours.TranscriptionSessionCreated | ours.TranscriptionSessionUpdated
)
SENTENCES = Detection(threshold=0.0, silence_ms=800)
"""Voice activity detection for live deltas of a turn that the client ends: without detection the service sends no text
before the commit, so it detects sentences, which are joined into the client's turn."""


class Target(msgspec.Struct, frozen=True):
    """The settings that the service's session should have. `joins`: the turns that the service detects are sentences of
    one turn, which the client ends."""

    setup: Setup
    joins: bool = False

    @property
    def by_hand(self) -> bool:
        """Whether the client ends its turns."""
        return self.joins or self.setup.detection is None

    def without(self, fields: frozenset[str]) -> Target:
        """The same without these fields of a Setup."""
        setup = msgspec.structs.replace(
            self.setup,
            context="" if "context" in fields else self.setup.context,
            language=None if "language" in fields else self.setup.language,
        )
        return Target(setup, self.joins)

    def cuts(self, before: Target) -> bool:
        """Whether an open turn has to end, because its audio format changes."""
        return (self.setup.format, self.setup.rate) != (before.setup.format, before.setup.rate)


def target(session: Session) -> Target:
    joins = session.vad is None and session.live
    said = setup(session)
    return Target(msgspec.structs.replace(said, detection=SENTENCES) if joins else said, joins)


def setup(session: Session) -> Setup:
    """G.711 is sent as PCM at 8 kHz, PCM at 16 kHz, Opus unchanged."""
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
    """Map OpenAI's 0…1 to the service's -1…1: piecewise linear, default 0.5 ↔ 0.2."""
    return round(-1 + openai * 2.4 if openai <= 0.5 else 0.2 + (openai - 0.5) * 1.6, 4)


def applied(session: Session, refused: Iterable[str] = ()) -> Applied:
    """Return the settings in effect for the client. `refused`: the fields of a Setup that the service refuses."""
    turns = detection(session.vad)
    return Applied(
        model=session.native,
        threshold=turns.threshold if turns else None,
        silence_duration_ms=turns.silence_ms if turns else None,
        live_deltas=session.live_deltas,
        engine=session.engine or UNSET,
        ignored=tuple(sorted(session.ignored | {_FIELDS[field] for field in refused})),
    )


class Configuration:
    """The client's side. `refused`: fields of a Setup that the service refuses. `engine`: what answers in place of
    DashScope."""

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
        """The service refuses this field of a Setup: leave it out from now on."""
        self.refused |= {field}

    @property
    def target(self) -> Target:
        return self.takeable(target(self.session))

    def takeable(self, target: Target) -> Target:
        """These settings without what the service refuses."""
        return target.without(self.refused)

    def open(self, configured: Patch | None) -> CompatError | None:
        """Apply the query and an ephemeral key's settings. Returns the error of the query's model, if any."""
        error = self._named(self._opening.model)
        if configured is not None:
            self.session = apply(self.session, configured, self._resolve)
        return error

    def _named(self, model: str | None) -> CompatError | None:
        """Apply the query's model: a transcription model, or a voice model whose name alone is kept."""
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
        """Report the settings in the first event."""
        self._say(ours.TranscriptionSessionCreated if self._opening.beta_names else ours.SessionCreated)

    def tell(self) -> None:
        """Report the settings from now on."""
        self._say(ours.TranscriptionSessionUpdated if self._opening.beta_names else ours.SessionUpdated)

    def _say(self, shape: type[_Report]) -> None:
        in_effect = applied(self.session, self.refused)
        shown = view(self.session, self._opening, self._id, self._expires_at, in_effect)
        self._outbox.to_client(shape(event_id=self._outbox.event_id(), session=shown))
