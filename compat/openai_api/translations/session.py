"""Configuration of a session of `/v1/realtime/translations`, as an immutable value.

An update is applied completely or not at all. Fields follow openai-python 3.57 (RealtimeTranslationSession…). An
absent field is left unchanged; null is a value. Extensions of this server: `audio.input.transcription.language` names
the language of the source, and `dashscope` has DashScope's own parameters.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from compat import languages
from compat.catalogue import translators
from compat.errors import BadRequest
from compat.openai_api.realtime.unread import MOST, unread

RATE = 24_000
"""Hz of the audio in both directions: mono 16-bit PCM."""
LANGUAGE = "session.audio.output.language"
MOST_PHRASES = 1000  # DashScope's bound
_LONGEST_NAME = 64
_NOISES = ("near_field", "far_field")


class TranslationTranscription(msgspec.Struct, frozen=True, kw_only=True):
    model: str | UnsetType = UNSET
    language: str | UnsetType | None = UNSET


class TranslationNoiseReduction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    type: str | None = None
    strength: float | None = None


class TranslationFormat(msgspec.Struct, frozen=True, kw_only=True):
    type: str | None = None
    rate: float | None = None


class TranslationInput(msgspec.Struct, frozen=True, kw_only=True):
    transcription: TranslationTranscription | UnsetType | None = UNSET
    noise_reduction: TranslationNoiseReduction | UnsetType | None = UNSET
    format: TranslationFormat | str | None = None


class TranslationOutput(msgspec.Struct, frozen=True, kw_only=True):
    language: str | UnsetType | None = UNSET
    format: TranslationFormat | str | None = None


class TranslationAudio(msgspec.Struct, frozen=True, kw_only=True):
    input: TranslationInput | None = None
    output: TranslationOutput | None = None


class TranslationExtension(msgspec.Struct, frozen=True, kw_only=True):
    """`output_modalities`: `["text"]`, or `["text", "audio"]`. `voice` is DashScope's name of a voice. `phrases` maps
    phrases of the source to their translations."""

    output_modalities: list[Literal["text", "audio"]] | UnsetType | None = UNSET
    voice: str | UnsetType | None = UNSET
    phrases: dict[str, str] | UnsetType | None = UNSET


class TranslationPatch(msgspec.Struct, frozen=True, kw_only=True):
    """An update. `unread` maps the names of unknown fields to whether they have a value."""

    type: str | None = None
    model: str | None = None
    audio: TranslationAudio | None = None
    dashscope: TranslationExtension | None = None
    unread: dict[str, bool] = msgspec.field(default_factory=dict, name=" unread")

    def with_unread(self, raw: Any) -> TranslationPatch:  # noqa: ANN401 - any JSON
        """Return a copy with the unknown fields of the JSON it was decoded from."""
        return msgspec.structs.replace(self, unread=unread(raw, TranslationPatch))


class TranslationSession(msgspec.Struct, frozen=True, kw_only=True):
    """`model` is the client's name of the model, `native` DashScope's: one of LiveTranslate, or of Qwen-MT, which
    translates the text of sentences. `language` is the target as the client wrote it. `spoken`: whether the client, and
    `may_speak`: whether the operator wants a voice."""

    model: str
    native: str
    language: str = "en"
    transcription: TranslationTranscription | None = None
    noise_reduction: TranslationNoiseReduction | None = None
    spoken: bool = True
    may_speak: bool = True
    voice: str | None = None
    phrases: dict[str, str] = {}
    unread: frozenset[str] = frozenset()
    engine: str = ""

    @property
    def target(self) -> str:
        """The service's code of the target language."""
        return translators.target(self.language, translators.find(self.native)) or self.language

    @property
    def source(self) -> str | None:
        """The service's code of the language of the source, if the client names it."""
        named = self.transcription.language if self.transcription else None
        return languages.parse(named) if named else None

    @property
    def written(self) -> str | None:
        """The same, if Qwen-MT translates from it."""
        return self.source if self.source in translators.targets(None) else None

    @property
    def speaks(self) -> str | None:
        """The voice, None for text only."""
        row = translators.find(self.native)
        if row is None or not (self.spoken and self.may_speak) or self.target not in row.spoken:
            return None
        return self.voice or row.voice

    @property
    def ignored(self) -> tuple[str, ...]:
        """The names of the fields without effect."""
        known = {
            "noise_reduction": self.noise_reduction is not None,
            "dashscope.voice": bool(self.voice) and self.speaks is None,
            "transcription.language": self.source is not None and not self._takes_source,
        }
        return tuple(sorted(self.unread | {name for name, given in known.items() if given}))

    @property
    def _takes_source(self) -> bool:
        row = translators.find(self.native)
        return self.written is not None if row is None else not row.nested


class TranslationInputView(msgspec.Struct, frozen=True, kw_only=True):
    transcription: TranslationTranscription | None
    noise_reduction: TranslationNoiseReduction | None


class TranslationOutputView(msgspec.Struct, frozen=True, kw_only=True):
    language: str


class TranslationAudioView(msgspec.Struct, frozen=True, kw_only=True):
    input: TranslationInputView
    output: TranslationOutputView


class TranslationApplied(msgspec.Struct, frozen=True, kw_only=True):
    """The extension object `dashscope`: the settings sent to the service. `language` is its code of the target.
    `ignored` lists the client's fields without effect."""

    model: str
    language: str
    output_modalities: tuple[str, ...]
    voice: str | UnsetType = UNSET
    phrases: dict[str, str] | UnsetType = UNSET
    ignored: tuple[str, ...] = ()
    engine: str | UnsetType = UNSET


class TranslationView(msgspec.Struct, frozen=True, kw_only=True):
    """The session in `session.created` and `session.updated`. `expires_at`: seconds since the epoch."""

    id: str
    type: Literal["translation"] = "translation"
    model: str
    expires_at: int
    audio: TranslationAudioView
    dashscope: TranslationApplied


def view(session: TranslationSession, session_id: str, expires_at: int) -> TranslationView:
    return TranslationView(
        id=session_id,
        model=session.model,
        expires_at=expires_at,
        audio=TranslationAudioView(
            input=TranslationInputView(transcription=session.transcription, noise_reduction=session.noise_reduction),
            output=TranslationOutputView(language=session.language),
        ),
        dashscope=TranslationApplied(
            model=session.native,
            language=session.target,
            output_modalities=("text", "audio") if session.speaks else ("text",),
            voice=session.speaks or UNSET,
            phrases=session.phrases or UNSET,
            ignored=session.ignored,
            engine=session.engine or UNSET,
        ),
    )


def apply(session: TranslationSession, patch: TranslationPatch) -> TranslationSession:
    """Return the session after an update. Raises BadRequest with the field's path."""
    if patch.type not in (None, "translation"):
        raise BadRequest(
            "session.type should be 'translation'. Live transcription is at /v1/realtime.", param="session.type"
        )
    if patch.model is not None and patch.model not in (session.model, session.native):
        raise BadRequest(
            f"The model of a session cannot change: it is {session.model}. Open another session.",
            param="session.model",
        )
    audio = patch.audio or TranslationAudio()
    sent, out = audio.input or TranslationInput(), audio.output or TranslationOutput()
    _check_format(sent.format, "session.audio.input.format")
    _check_format(out.format, "session.audio.output.format")
    changed: dict[str, Any] = {}
    if sent.transcription is not UNSET:
        changed["transcription"] = _transcription(session.transcription, sent.transcription)
    if sent.noise_reduction is not UNSET:
        changed["noise_reduction"] = _noise_reduction(session.noise_reduction, sent.noise_reduction)
    if out.language is not UNSET:
        changed["language"] = _language(out.language or "en", session.native)
    changed |= _extension(patch.dashscope or TranslationExtension())
    refused = {name for name, given in patch.unread.items() if not given}
    given = {name for name, given in patch.unread.items() if given}
    changed["unread"] = frozenset(sorted((session.unread | given) - refused)[:MOST])
    return msgspec.structs.replace(session, **changed)


def _check_format(form: TranslationFormat | str | None, path: str) -> None:
    """Raise BadRequest for any format but the one that OpenAI's translation sessions have too."""
    kind, rate = (form.type, form.rate) if isinstance(form, TranslationFormat) else (form, None)
    if kind not in (None, "audio/pcm", "pcm16", "pcm") or rate not in (None, RATE):
        raise BadRequest(f"The audio of translations is mono 16-bit PCM at {RATE} Hz; resample it.", param=path)


def _transcription(
    before: TranslationTranscription | None, sent: TranslationTranscription | None
) -> TranslationTranscription | None:
    """Return the transcription after an update. Without `model` or `language`, the previous one stays. OpenAI's
    sessions always have a model."""
    if sent is None:
        return None
    before = before or TranslationTranscription()
    model = before.model if sent.model is UNSET else sent.model
    language = before.language if sent.language is UNSET else sent.language
    if not model:
        raise BadRequest(
            "transcription needs a model, such as gpt-realtime-whisper; null turns it off.",
            param="session.audio.input.transcription.model",
        )
    if language:
        try:
            languages.parse(language)
        except ValueError as error:
            raise BadRequest(str(error), param="session.audio.input.transcription.language") from error
    return TranslationTranscription(model=model, language=language or UNSET)


def _noise_reduction(
    before: TranslationNoiseReduction | None, sent: TranslationNoiseReduction | None
) -> TranslationNoiseReduction | None:
    """Return noise reduction after an update. Without `strength`, the previous one stays."""
    if sent is None:
        return None
    if sent.type not in _NOISES:
        raise BadRequest(
            "Noise reduction should be of type near_field or far_field, or null.",
            param="session.audio.input.noise_reduction.type",
        )
    strength = sent.strength if sent.strength is not None or before is None else before.strength
    return TranslationNoiseReduction(type=sent.type, strength=strength)


def _language(language: str, native: str) -> str:
    row = translators.find(native)
    if translators.target(language, row) is None:
        known = ", ".join(sorted(translators.targets(row)))
        raise BadRequest(
            f"{native} does not translate into {language[:_LONGEST_NAME]!r}. Known: {known}.",
            param=LANGUAGE,
        )
    return language


def _extension(sent: TranslationExtension) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if sent.output_modalities is not UNSET:
        modalities = sent.output_modalities
        if modalities is not None and "text" not in modalities:
            raise BadRequest(
                'output_modalities should be ["text"] or ["text", "audio"].',
                param="session.dashscope.output_modalities",
            )
        changed["spoken"] = modalities is None or "audio" in modalities
    if sent.voice is not UNSET:
        if sent.voice is not None and not 0 < len(sent.voice) <= _LONGEST_NAME:
            raise BadRequest("voice should be the name of a DashScope voice.", param="session.dashscope.voice")
        changed["voice"] = sent.voice
    if sent.phrases is not UNSET:
        if sent.phrases is not None and len(sent.phrases) > MOST_PHRASES:
            raise BadRequest(f"phrases may have at most {MOST_PHRASES} entries.", param="session.dashscope.phrases")
        changed["phrases"] = sent.phrases or {}
    return changed
