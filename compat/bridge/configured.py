"""A session's configuration as its client sees it: what was requested, and what is reported."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
from msgspec import UNSET

from compat.bridge.outbox import Outbox
from compat.bridge.setup import Target, setup, target
from compat.errors import CompatError
from compat.openai_api.realtime import server_events as ours
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.session import Session, apply
from compat.openai_api.realtime.views import Applied, SessionView, view

DEFAULT_MODEL = "qwen3-asr-flash-realtime"
_VOICE_MODEL = re.compile(r"gpt-.*(realtime|audio).*")
_FIELDS = {"context": "transcription.prompt", "language": "transcription.language"}


class Configured:
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
