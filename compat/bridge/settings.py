"""The settings of a session: as the client requested them, as they are reported to it, and as the service gets them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET

from compat import languages
from compat.bridge.actions import CheckVocabulary
from compat.bridge.outbox import Outbox
from compat.catalogue import biasing, live
from compat.catalogue.biasing import hot_words
from compat.dashscope_api.live.turns import Detection, Field, Setup
from compat.errors import CompatError
from compat.openai_api.realtime import server_events as ours
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.session import AudioFormat, Session, Vad, apply
from compat.openai_api.realtime.views import Applied, view
from compat.transcript import context

_VOICE_MODEL = re.compile(r"gpt-.*(realtime|audio).*")
_FIELDS: dict[Field, str] = {
    "context": "transcription.prompt",
    "language": "transcription.language",
    "vocabulary": "transcription.keywords",
    "vocabulary_id": "dashscope.vocabulary_id",
    "tuning": "turn_detection",
    "options": "dashscope",
}
_WITHOUT: dict[Field, Any] = {
    "context": "",
    "language": None,
    "vocabulary": {},
    "vocabulary_id": "",
    "tuning": False,
    "options": {},
}
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

    def without(self, fields: frozenset[Field]) -> Target:
        """The same without these fields of a Setup."""
        return Target(msgspec.structs.replace(self.setup, **{field: _WITHOUT[field] for field in fields}), self.joins)

    def revises(self, before: Target) -> bool:
        """Whether only the context differs, and the service can change it without a new session."""
        setup = self.setup
        same = Target(msgspec.structs.replace(before.setup, context=setup.context), before.joins) == self
        row = live.row(setup.model)
        return same and bool(setup.context) and row.protocol == "run-task" and row.context == "rounds"

    def cuts(self, before: Target) -> bool:
        """Whether an open turn has to end, because its audio format changes."""
        return (self.setup.format, self.setup.rate) != (before.setup.format, before.setup.rate)


def target(session: Session) -> Target:
    joins = session.vad is None and session.live
    said = setup(session)
    return Target(msgspec.structs.replace(said, detection=SENTENCES) if joins else said, joins)


def setup(session: Session) -> Setup:
    """PCM is sent at 16 kHz, G.711 as PCM at 8 kHz, unless the model has a rate of its own; Opus unchanged."""
    row = live.row(session.native)
    telephone = session.sound.encoding in ("ulaw", "alaw")
    words, rest = _vocabulary(session, row)
    return Setup(
        model=session.native,
        format="opus" if session.sound.encoding == "opus" else "pcm",
        rate=row.rate or (8000 if telephone else 16_000),
        language=session.language_code,
        context=context(session.prompt, rest) if row.context and session.guided else "",
        detection=detection(session.vad),
        vocabulary=words,
        vocabulary_id=session.vocabulary_id if "vocabulary_id" in row.parameters else "",
        options={name: value for name, value in session.options.items() if name in row.parameters},
    )


def _vocabulary(session: Session, row: live.LiveModel) -> tuple[dict[str, int], Sequence[str]]:
    """Return the hot words with their weights, if the model takes them, and the keywords that belong to the context."""
    if "vocabulary" not in row.parameters or not session.guided:
        return {}, session.keywords
    words, rest = hot_words(session.keywords)
    return words | session.vocabulary, rest


def detection(vad: Vad | None) -> Detection | None:
    if vad is None:
        return None
    return Detection(threshold(vad.threshold), vad.silence_duration_ms, semantic=vad.eagerness is not None)


def threshold(openai: float) -> float:
    """Map OpenAI's 0…1 to the service's -1…1: piecewise linear, default 0.5 ↔ 0.2."""
    return round(-1 + openai * 2.4 if openai <= 0.5 else 0.2 + (openai - 0.5) * 1.6, 4)


def applied(session: Session, refused: Iterable[Field] = (), lost: Iterable[str] = ()) -> Applied:
    """Return the settings in effect for the client. `refused`: the fields of a Setup that the service refuses. `lost`:
    more names of settings without effect."""
    row, turns = live.row(session.native), detection(session.vad)
    silence = row.protocol == "realtime" or "max_sentence_silence" in row.parameters
    ignored = session.ignored.union(unfit(session, row), lost, (_FIELDS[field] for field in refused))
    return Applied(
        model=session.native,
        threshold=turns.threshold if turns and row.protocol == "realtime" else None,
        silence_duration_ms=turns.silence_ms if turns and silence else None,
        live_deltas=session.live_deltas,
        vocabulary=session.vocabulary or UNSET,
        vocabulary_id=session.vocabulary_id or UNSET,
        engine=session.engine or UNSET,
        ignored=tuple(sorted(ignored)),
        **session.options,
    )


def unfit(session: Session, row: live.LiveModel) -> set[str]:
    """Return the names of the client's fields that this model does not take, or takes only in part."""
    _, rest = _vocabulary(session, row)
    vad = session.turns or Vad()
    names = {
        "transcription.prompt": bool(session.prompt) and row.context is None,
        "transcription.keywords": any(rest) and row.context is None,
        "turn_detection.threshold": vad.eagerness is None and vad.threshold != Vad().threshold,
        "turn_detection.eagerness": vad.eagerness not in (None, "auto"),
        "turn_detection.silence_duration_ms": (
            "max_sentence_silence" not in row.parameters
            and vad.eagerness is None
            and vad.silence_duration_ms != Vad().silence_duration_ms
        ),
    }
    lists = {"vocabulary": session.vocabulary, "vocabulary_id": session.vocabulary_id}
    given = {*session.options, *(name for name, value in lists.items() if value)}
    unknown = {f"dashscope.{name}" for name in given - row.parameters}
    if row.protocol == "realtime":
        return unknown
    shortened = row.context == "rounds" and biasing.shortened(context(session.prompt, rest))
    part = "transcription.prompt.shortened" if session.prompt else "transcription.keywords.shortened"
    return unknown | {name for name, given in names.items() if given} | ({part} if shortened else set())


class Configuration:
    """The client's side. `refused`: fields of a Setup that the service refuses. `engine`: what answers in place of
    DashScope. `preferred`: the model of a client that names none. `presets` returns the options of an alias."""

    def __init__(
        self,
        opening: Opening,
        outbox: Outbox,
        resolve: Callable[[str], str],
        expires_at: int,
        engine: str,
        preferred: str,
        presets: Callable[[str], Mapping[str, tuple[str, ...]]],
        track: AudioFormat | None = None,
    ) -> None:
        self.session = Session(transcription=opening.transcription, native=preferred, engine=engine, track=track)
        self.refused: frozenset[Field] = frozenset()
        self._opening = opening
        self._id = outbox.ids("sess")
        self._outbox = outbox
        self._resolve = resolve
        self._presets = presets
        self._checked = ("", "")
        self._expires_at = expires_at

    def refuse(self, field: Field) -> None:
        """The service refuses this field of a Setup: leave it out from now on."""
        self.refused |= {field}

    @property
    def target(self) -> Target:
        listed = self.session.vocabulary_id or "".join(self._preset.get("vocabulary_id", ())[-1:])
        wanted = target(msgspec.structs.replace(self.session, vocabulary_id=listed))
        face, row = self._outbox.face, live.row(wanted.setup.model)
        taken = languages.sendable(self.session.engine, row.languages if row.hints else frozenset())
        spoken = face.spoken if face.spoken in taken else wanted.setup.language
        setup = msgspec.structs.replace(wanted.setup, translation=face.translation, language=spoken)
        return self.takeable(Target(setup, wanted.joins))

    @property
    def _preset(self) -> Mapping[str, tuple[str, ...]]:
        """The options that the operator's alias sets."""
        return self._presets(self.session.model or "")

    def takeable(self, target: Target) -> Target:
        """These settings without what the service refuses."""
        return target.without(self.refused)

    def open(self, configured: Sequence[Patch]) -> CompatError | None:
        """Apply the query, then an ephemeral key's settings. Returns the error of the query's model, if any."""
        error = self._named(self._opening.model)
        for patch in configured:
            self.session = apply(self.session, patch, self._resolve)
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
        if patch.dashscope is not None and patch.dashscope.vocabulary_id is not UNSET:
            self.refused -= {"vocabulary_id"}
        self.tell()

    def check_vocabulary(self) -> None:
        """Have the stored vocabulary looked up, once."""
        setup = self.target.setup
        wanted = setup.vocabulary_id, setup.model
        if setup.vocabulary_id and wanted != self._checked:
            self._checked = wanted
            self._outbox.act(CheckVocabulary(*wanted))

    def greet(self) -> None:
        """Report the settings in the first event."""
        self._say(ours.TranscriptionSessionCreated if self._opening.beta_names else ours.SessionCreated)

    def tell(self) -> None:
        """Report the settings from now on."""
        self._say(ours.TranscriptionSessionUpdated if self._opening.beta_names else ours.SessionUpdated)

    def _say(self, shape: type[_Report]) -> None:
        lost = {f"dashscope.{name}" for name in self._preset if name != "vocabulary_id"}
        in_effect = applied(self.session, self.refused, lost)
        shown = view(self.session, self._opening, self._id, self._expires_at, in_effect)
        self._outbox.to_client(shape(event_id=self._outbox.event_id(), session=shown))
