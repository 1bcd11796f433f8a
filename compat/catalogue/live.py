"""Models for live speech: the protocol, audio, languages, context and parameters of each.

`realtime` is DashScope's protocol with OpenAI's event names, `run-task` the one with a task for each stretch of speech.
`livetranslate` that of the models in compat.catalogue.translators. `gummy` was retired on 2026-10-10. (Model Studio:
client events of the realtime and the fun-asr-realtime APIs, 2026-05 and 2026-08; page of
qwen-audio-3.1-asr-flash-message, 2026-10; SDK pages of Paraformer.)
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from compat import languages

DEFAULT: Final = "qwen3-asr-flash-realtime"
_EAST = frozenset({"beijing", "singapore"})
_BEIJING = frozenset({"beijing"})
_DATED = r"(-\d{4}-\d{2}-\d{2})?"
# Fun-ASR client events, 2026-08: fun-asr-realtime and qwen-audio-3
_THIRTY = frozenset(
    "zh en ja ko vi th id ms fil hi ar fr de es pt ru it nl sv da fi no el pl cs hu ro bg hr sk".split()  # noqa: SIM905
)
_PARAFORMER_LANGUAGES = frozenset({"zh", "en", "ja", "yue", "ko", "de", "fr", "ru"})
_VAD = frozenset({"heartbeat", "max_sentence_silence", "multi_threshold_mode_enabled", "semantic_punctuation_enabled"})
_PARAFORMER = frozenset({"disfluency_removal_enabled"})
_PARAFORMER_2 = (
    _PARAFORMER
    | _VAD
    | {"inverse_text_normalization_enabled", "language_hints", "punctuation_prediction_enabled", "vocabulary_id"}
)
_FUN = _VAD | {"language_hints", "special_word_filter", "speech_noise_threshold", "vocabulary_id"}
_STREAMING = _FUN | {"vocabulary"}
_MESSAGE = frozenset(
    {
        "disfluency_removal_enabled",
        "heartbeat",
        "intermediate_result_enabled",
        "keep_dialect",
        "special_word_filter",
        "vad_model",
        "vocabulary",
        "vocabulary_id",
    }
)


class LiveModel(msgspec.Struct, frozen=True, kw_only=True):
    """A family of models.

    `pattern` must match the whole id; `known` lists the ids that `/v1/models` shows. `rate` is the sample rate in Hz
    that it is sent, None for 16 kHz, or 8 kHz for G.711. `languages` are the codes that it takes as a hint. `context`
    is the form of context that it takes (see compat.catalogue.biasing). `parameters` are the optional ones of run-task.
    """

    pattern: str
    known: tuple[str, ...]
    protocol: Literal["realtime", "run-task", "livetranslate"] = "run-task"
    regions: frozenset[str] = _EAST
    rate: int | None = 16_000
    languages: frozenset[str] = _THIRTY
    context: Literal["text", "rounds"] | None = None
    parameters: frozenset[str] = frozenset()

    @property
    def hints(self) -> bool:
        """Whether it takes a language."""
        return self.protocol == "realtime" or "language_hints" in self.parameters


MODELS: Final = (  # the first match wins
    LiveModel(
        pattern=rf"qwen3-asr-flash-realtime{_DATED}",
        known=(DEFAULT,),
        protocol="realtime",
        rate=None,
        languages=languages.QWEN,
        context="text",
    ),
    LiveModel(
        pattern=r"qwen-audio-3\.0-asr-flash-streaming",
        known=("qwen-audio-3.0-asr-flash-streaming",),
        context="rounds",
        parameters=_STREAMING,
    ),
    LiveModel(
        pattern=r"qwen-audio-3\.\d+-asr-flash-streaming",
        known=("qwen-audio-3.1-asr-flash-streaming",),
        context="rounds",
        parameters=_STREAMING | {"keep_dialect", "vad_model"},
    ),
    LiveModel(
        pattern=r"qwen-audio-3\.\d+-asr-flash-message",
        known=("qwen-audio-3.1-asr-flash-message",),
        context="rounds",
        parameters=_MESSAGE,
    ),
    LiveModel(
        pattern=r"fun-asr-realtime(-2025-11-07)?", known=("fun-asr-realtime",), context="rounds", parameters=_FUN
    ),
    LiveModel(pattern=r"fun-asr-realtime-2025-09-15", known=(), languages=frozenset({"zh", "en"}), parameters=_FUN),
    LiveModel(pattern=rf"fun-asr-realtime{_DATED}", known=(), languages=frozenset({"zh", "en", "ja"}), parameters=_FUN),
    LiveModel(
        pattern=rf"fun-asr-flash-8k-realtime{_DATED}",
        known=("fun-asr-flash-8k-realtime",),
        rate=8000,
        languages=frozenset({"zh"}),
        parameters=_FUN,
    ),
    LiveModel(
        pattern=r"paraformer-realtime-v2",
        known=("paraformer-realtime-v2",),
        regions=_BEIJING,
        languages=_PARAFORMER_LANGUAGES,
        parameters=_PARAFORMER_2,
    ),
    LiveModel(
        pattern=r"paraformer-realtime-8k-v2",
        known=("paraformer-realtime-8k-v2",),
        regions=_BEIJING,
        rate=8000,
        languages=frozenset({"zh"}),
        parameters=_PARAFORMER_2,
    ),
    LiveModel(
        pattern=r"paraformer-realtime-v1",
        known=("paraformer-realtime-v1",),
        regions=_BEIJING,
        languages=frozenset({"zh"}),
        parameters=_PARAFORMER,
    ),
    LiveModel(
        pattern=r"paraformer-realtime-8k-v1",
        known=("paraformer-realtime-8k-v1",),
        regions=_BEIJING,
        rate=8000,
        languages=frozenset({"zh"}),
        parameters=_PARAFORMER,
    ),
    LiveModel(
        pattern=rf"qwen3(\.\d+)?-livetranslate-flash-realtime{_DATED}",
        known=tuple(f"qwen{version}-livetranslate-flash-realtime" for version in ("3.8", "3.5", "3")),
        protocol="livetranslate",
        languages=frozenset(),
    ),
)


def find(model: str) -> LiveModel | None:
    """Return the family of DashScope's model, or None if it does not take live speech."""
    return next((row for row in MODELS if re.fullmatch(row.pattern, model)), None)


def row(model: str) -> LiveModel:
    """Return the family of one of DashScope's live models. Raises LookupError for others."""
    found = find(model)
    if found is None:
        raise LookupError(model)
    return found
