"""Validation of the payload of run-task, and the settings of a task that result from it."""

from __future__ import annotations

from typing import Any

import msgspec

from compat.emulator.context import Message, used_context
from compat.emulator.engine import Hints
from compat.emulator.filetrans import masking
from compat.emulator.inference.messages import ActionPayload, TaskFailure, invalid, missing
from compat.emulator.inference.models import LiveModel, live_model
from compat.emulator.readings import Readings

FORMATS = ("pcm", "wav", "mp3", "opus", "speex", "aac", "amr")
RATES = (8_000, 48_000)
SILENCE_MS = (200, 6_000)
SEMANTIC_SILENCE_MS = 2_000  # ends a sentence even without punctuation
HINTS = 4
PLACES = frozenset({"context", "corpus", "messages", "phrase_id", "prompt", "vocabulary", "vocabulary_id"})
"""Names that other APIs use for context and hot words."""


class RunParameters(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters. Not all have an effect here; the others are only validated."""

    format: str
    sample_rate: int
    language_hints: list[str] = []
    semantic_punctuation_enabled: bool = False
    max_sentence_silence: int | None = None
    multi_threshold_mode_enabled: bool = False
    punctuation_prediction_enabled: bool = True
    inverse_text_normalization_enabled: bool = True
    disfluency_removal_enabled: bool = False
    heartbeat: bool = False
    speech_noise_threshold: float = 0.0
    special_word_filter: str | dict[str, Any] | None = None
    keep_dialect: bool = False
    vad_model: str = ""
    intermediate_result_enabled: bool = False
    vocabulary_id: str = ""
    vocabulary: dict[str, float] = {}


class TaskSettings(msgspec.Struct, frozen=True, kw_only=True):
    model: LiveModel
    parameters: RunParameters
    word_filter: masking.Filter
    context: str | None

    @property
    def semantic(self) -> bool:
        """Whether sentences end at punctuation instead of silence."""
        return self.parameters.semantic_punctuation_enabled

    @property
    def hints(self) -> Hints:
        languages = self.parameters.language_hints
        language = languages[0] if languages else None
        return Hints(language=language, context=self.context or "", words=tuple(self.parameters.vocabulary))

    @property
    def silence_ms(self) -> int:
        if self.semantic:
            return SEMANTIC_SILENCE_MS
        return self.parameters.max_sentence_silence or self.model.silence_ms

    @property
    def partial(self) -> bool:
        return self.model.partial or self.parameters.intermediate_result_enabled


def settings(payload: ActionPayload, readings: Readings) -> TaskSettings:
    """Return the settings of a task. Raises TaskFailure for an invalid payload."""
    for name, value in (("task_group", "audio"), ("task", "asr"), ("function", "recognition")):
        given = getattr(payload, name)
        if not given:
            raise missing(f"payload.{name}")
        if given != value:
            raise invalid(f"payload.{name} must be {value}.")
    if not payload.model:
        raise missing("payload.model")
    model = live_model(payload.model)
    if model is None:
        raise TaskFailure("ModelNotFound", "Model can not be found.")
    if payload.model in readings.retired:
        raise TaskFailure("AccessDenied", "Access denied.")
    parameters = _parameters(payload, model, refuse=readings.inference.unknown_parameters == "refused")
    if payload.resources and not model.phrases:
        raise invalid(f"payload.resources is not supported by {payload.model}.")
    return TaskSettings(
        model=model,
        parameters=parameters,
        word_filter=_word_filter(parameters),
        context=given_context(payload, model),
    )


def given_context(payload: ActionPayload, model: LiveModel) -> str | None:
    """Return the context in `input`, or None. Raises TaskFailure."""
    given = payload.input if isinstance(payload.input, dict) else {}
    for name in sorted(given.keys() & (PLACES - {"context"})):
        raise invalid(f"payload.input.{name} is not supported: send context as payload.input.context.")
    if not given.get("context"):
        return None
    if not model.context:
        raise invalid(f"payload.input.context is not supported by {payload.model or 'the model'}.")
    try:
        return used_context(msgspec.convert(given["context"], list[Message]))
    except msgspec.ValidationError as exc:
        expected = "a list of messages, with parts of type input_text (user) or text (assistant)"
        raise invalid(f"payload.input.context must be {expected}: {exc}") from exc


def _parameters(payload: ActionPayload, model: LiveModel, *, refuse: bool) -> RunParameters:
    given = {name: value for name, value in (payload.parameters or {}).items() if value is not None}
    if given.get("vocabulary_id") == "":
        del given["vocabulary_id"]  # many programs send an empty string for no vocabulary
    for name in sorted(given.keys() - model.parameters):
        if refuse or name in PLACES:
            raise invalid(f"payload.parameters.{name} is not supported by {payload.model}.")
    for name in ("format", "sample_rate"):
        if name not in given:
            raise missing(f"payload.parameters.{name}")
    known = {name: value for name, value in given.items() if name in model.parameters}
    try:
        parameters = msgspec.convert(known, RunParameters)
    except msgspec.ValidationError as exc:
        raise invalid(f"payload.parameters: {exc}") from exc
    _check(parameters, model)
    return parameters


def _check(parameters: RunParameters, model: LiveModel) -> None:
    if parameters.format not in FORMATS:
        raise TaskFailure("UNSUPPORTED_FORMAT", f"The audio format is not supported; expected {', '.join(FORMATS)}.")
    rate = parameters.sample_rate
    if not RATES[0] <= rate <= RATES[1] or (model.rates is not None and rate not in model.rates):
        expected = ", ".join(map(str, model.rates or RATES))
        raise TaskFailure("NO_VALID_AUDIO_ERROR", f"sample_rate {rate} is not supported by the model ({expected}).")
    silence = parameters.max_sentence_silence
    if silence is not None and not SILENCE_MS[0] <= silence <= SILENCE_MS[1]:
        raise invalid("payload.parameters.max_sentence_silence must be in [200, 6000].")
    if not -1 <= parameters.speech_noise_threshold <= 1:
        raise invalid("payload.parameters.speech_noise_threshold must be in [-1, 1].")
    if len(parameters.language_hints) > HINTS:
        raise invalid(f"payload.parameters.language_hints must have at most {HINTS} languages.")


def _word_filter(parameters: RunParameters) -> masking.Filter:
    """Return the filter for sensitive words. Without the parameter it masks nothing."""
    if parameters.special_word_filter is None:
        return masking.Filter(system_reserved_filter=False)
    try:
        return masking.read(parameters.special_word_filter)
    except msgspec.MsgspecError as exc:
        raise invalid(f"payload.parameters.special_word_filter: {exc}") from exc
