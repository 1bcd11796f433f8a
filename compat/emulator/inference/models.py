"""The models of the run-task socket and the parameters of each.

Sources: Model Studio, Fun-ASR client events, 2026-08; the pages of qwen-asr-message, 2026-10; Paraformer's SDK pages.
Gummy was retired on 2026-10-10.
"""

from __future__ import annotations

import re

import msgspec

_EVERY = frozenset({"format", "sample_rate"})
_SILENCE = frozenset(
    {"semantic_punctuation_enabled", "max_sentence_silence", "multi_threshold_mode_enabled", "heartbeat"}
)
_PARAFORMER = _EVERY | {"disfluency_removal_enabled"}
_PARAFORMER_2 = _PARAFORMER | _SILENCE | {
    "language_hints", "punctuation_prediction_enabled", "inverse_text_normalization_enabled", "vocabulary_id",
}  # fmt: skip
_FUN = _EVERY | _SILENCE | {"language_hints", "speech_noise_threshold", "special_word_filter", "vocabulary_id"}
_STREAMING = _FUN | {"vocabulary"}
_STREAMING_31 = _STREAMING | {"keep_dialect", "vad_model"}
_MESSAGE = _EVERY | {
    "disfluency_removal_enabled", "heartbeat", "special_word_filter", "keep_dialect", "vad_model",
    "intermediate_result_enabled", "vocabulary_id", "vocabulary",
}  # fmt: skip


class LiveModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model.

    `parameters` are the documented ones. `rates` are the accepted sample rates in Hz, None for any. `silence_ms` is the
    default of max_sentence_silence. `context` means that the model accepts `input.context`, `phrases` that it accepts
    `resources`, `tokens` that it is billed by tokens instead of seconds, `partial` that it sends partial results by
    default, and `emotion` that final results have an `emo_tag`.
    """

    pattern: str
    parameters: frozenset[str]
    rates: tuple[int, ...] | None = None
    silence_ms: int = 1300
    context: bool = False
    phrases: bool = False
    tokens: bool = False
    partial: bool = True
    emotion: bool = False


_DATED = r"(-\d{4}-\d{2}-\d{2})?"
MODELS = (
    LiveModel(pattern=r"qwen-audio-3\.0-asr-flash-streaming", parameters=_STREAMING, context=True),
    LiveModel(pattern=r"qwen-audio-3\.1-asr-flash-streaming", parameters=_STREAMING_31, context=True, tokens=True),
    LiveModel(
        pattern=r"qwen-audio-3\.1-asr-flash-message",
        parameters=_MESSAGE,
        rates=(16_000,),
        context=True,
        tokens=True,
        partial=False,
    ),
    LiveModel(pattern=r"fun-asr-realtime(-2025-11-07)?", parameters=_FUN, context=True),
    LiveModel(pattern=rf"fun-asr-realtime{_DATED}", parameters=_FUN),
    LiveModel(pattern=rf"fun-asr-flash-8k-realtime{_DATED}", parameters=_FUN, rates=(8_000,)),
    LiveModel(pattern=r"paraformer-realtime-v1", parameters=_PARAFORMER, rates=(16_000,), silence_ms=800, phrases=True),
    LiveModel(
        pattern=r"paraformer-realtime-8k-v1", parameters=_PARAFORMER, rates=(8_000,), silence_ms=800, phrases=True
    ),
    LiveModel(pattern=r"paraformer-realtime-v2", parameters=_PARAFORMER_2, silence_ms=800),
    LiveModel(
        pattern=r"paraformer-realtime-8k-v2", parameters=_PARAFORMER_2, rates=(8_000,), silence_ms=800, emotion=True
    ),
)


def live_model(name: str) -> LiveModel | None:
    """Return the model, or None if the socket does not support it."""
    return next((model for model in MODELS if re.fullmatch(model.pattern, name)), None)
