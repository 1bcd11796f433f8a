"""DashScope's models: what they are and can do, and the names that clients know them by.

Facts: DashScope's model pages as of 2026-11-21 (guide to non-realtime speech recognition; API references of qwen3-asr,
fun-asr and paraformer) and the official package 2.0.2. Ids are matched by pattern, so that a new snapshot of a known
family works on the day it appears.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from compat import languages
from compat.catalogue.aliases import ALIASES, native
from compat.errors import BadRequest, ModelNotFound
from compat.transcript import Option, Surface


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One row: ids that `pattern` matches whole; `known` are those that `/v1/models` lists.

    `surface` is None for models that only hear live speech. `long` answers for the model when the audio is long or
    times are needed; `pieces`: it may also answer itself, for audio that is cut into pieces. `context`: whether a text
    may guide it. `languages` can be asked for. `always` goes with every request that does not say otherwise.
    """

    pattern: str
    known: tuple[str, ...]
    surface: Surface | None
    regions: frozenset[str]
    long: str | None = None
    pieces: bool = False
    context: bool = False
    languages: frozenset[str] = languages.DASHSCOPE
    options: frozenset[str] = frozenset()
    always: dict[str, Option] = {}


_EAST = frozenset({"beijing", "singapore"})
_QWEN3 = frozenset({"enable_itn", "enable_lid"})
_FILES = frozenset(
    {"channel_id", "diarization_enabled", "language_hints", "speaker_count", "special_word_filter", "vocabulary_id"}
)
# help.aliyun.com, Paraformer file transcription API, `language_hints` of paraformer-v2
_PARAFORMER_LANGUAGES = frozenset({"zh", "en", "ja", "yue", "ko", "de", "fr", "ru"})
# Without it the service masks the words of a list of its own with asterisks. An object in the guide to non-realtime
# recognition, a string of JSON in Paraformer's API reference.
_UNMASKED: dict[str, Option] = {"special_word_filter": {"system_reserved_filter": False}}
_UNMASKED_PARAFORMER: dict[str, Option] = {"special_word_filter": '{"system_reserved_filter":false}'}
_PARAFORMER = {"audio_event_detection_enabled", "disfluency_removal_enabled", "timestamp_alignment_enabled"}
# In the order of matching: the narrow before the wide.
MODELS = (
    Model(
        pattern=r".*-realtime.*|gummy-.*|qwen-audio-3\..*-(streaming|message).*",
        known=("qwen3-asr-flash-realtime",),
        surface=None,
        regions=_EAST,
    ),
    Model(
        pattern=r"qwen-audio-3\..*-filetrans.*",
        known=("qwen-audio-3.1-asr-flash-filetrans", "qwen-audio-3.0-asr-flash-filetrans"),
        surface="filetrans-3",
        regions=_EAST,
        context=True,
        options=_FILES,
    ),
    Model(
        pattern=r".*-filetrans.*",
        known=("qwen3-asr-flash-filetrans",),
        surface="filetrans",
        regions=_EAST,
        context=True,
        languages=languages.QWEN,
        options=frozenset({"channel_id", "enable_itn", "enable_words"}),
    ),
    Model(
        pattern=r"qwen3-asr-flash(-.*)?-us",
        known=("qwen3-asr-flash-us",),
        surface="generation",
        regions=frozenset({"us"}),
        pieces=True,
        context=True,
        languages=languages.QWEN,
        options=_QWEN3,
    ),
    Model(
        pattern=r"qwen3-asr-flash",
        known=("qwen3-asr-flash",),
        surface="chat",
        regions=_EAST,
        long="qwen3-asr-flash-filetrans",
        pieces=True,
        context=True,
        languages=languages.QWEN,
        options=_QWEN3,
    ),
    Model(
        pattern=r"qwen3-asr-flash-.*",
        known=(),
        surface="chat",
        regions=_EAST,
        context=True,
        languages=languages.QWEN,
        options=_QWEN3,
    ),
    Model(
        pattern=r"fun-asr-flash-.*|qwen-audio-3\..*",
        known=("qwen-audio-3.1-asr-flash", "qwen-audio-3.0-asr-flash", "fun-asr-flash-2026-06-15"),
        surface="generation-audio",
        regions=_EAST,
        options=frozenset({"diarization_enabled", "language_hints", "speaker_count", "vocabulary_id"}),
    ),
    Model(
        pattern=r"fun-asr.*",
        known=("fun-asr", "fun-asr-mtl"),
        surface="transcription",
        regions=_EAST,
        options=_FILES,
        always=_UNMASKED,
    ),
    Model(
        pattern=r"paraformer.*",
        known=("paraformer-v2", "paraformer-8k-v2", "paraformer-v1", "paraformer-8k-v1", "paraformer-mtl-v1"),
        surface="transcription",
        regions=frozenset({"beijing"}),
        languages=_PARAFORMER_LANGUAGES,
        options=_FILES | _PARAFORMER,
        always={"timestamp_alignment_enabled": True, **_UNMASKED_PARAFORMER},
    ),
)
REGIONS = ("beijing", "singapore", "us")  # whose models are known
LIVE = r"qwen3-asr-flash-realtime(-\d{4}-\d{2}-\d{2})?"  # what speaks the protocol of /api-ws/v1/realtime


def names(aliases: Mapping[str, str], region: str = "custom") -> tuple[str, ...]:
    """The names that `/v1/models` lists, for models that the region offers: aliases first, operators' own ones before
    the built-in."""
    known = dict.fromkeys([*aliases, *ALIASES, *(name for row in MODELS for name in row.known)])
    return tuple(name for name in known if region not in REGIONS or _offered(resolve(name, aliases)[1], region))


def _offered(row: Model, region: str) -> bool:
    """`qwen3-asr-flash-us` answers for `qwen3-asr-flash` in its region."""
    return region in row.regions or (region == "us" and bool(row.long))


def resolve(name: str, aliases: Mapping[str, str]) -> tuple[str, Model]:
    """DashScope's id for a caller's name, and its row. Raises ModelNotFound naming what is known."""
    own = (model for alias, model in aliases.items() if alias.lower() == name.lower())
    given = aliases.get(name) or next(own, name)
    for spelling in (given, given.rpartition("/")[2]):
        model = native(spelling)
        for row in MODELS:
            if re.fullmatch(row.pattern, model):
                return model, row
    raise ModelNotFound(
        f"The model {name[:80]!r} is not known here; COMPAT_MODEL_ALIASES=name=model adds names. "
        f"Known: {', '.join(names(aliases))}."
    )


def deployed(deployment: str, models: Iterable[str], aliases: Mapping[str, str]) -> str:
    """The model behind a deployment of Azure's: the one of its name, or else the first of `models` that is known.
    Raises ModelNotFound."""
    for name in (deployment, *models):
        try:
            resolve(name, aliases)
        except ModelNotFound:
            continue
        return name
    raise ModelNotFound(
        f"The deployment {deployment[:80]!r} is not known here: COMPAT_MODEL_ALIASES={deployment[:80]}=qwen3-asr-flash "
        "makes it known."
    )


def live(name: str, *, region: str, aliases: Mapping[str, str]) -> str:
    """DashScope's model for live speech. Raises CompatError naming the model that can when this one cannot."""
    model, row = resolve(name, aliases)
    if model == "qwen3-asr-flash":
        model, row = resolve(f"{model}-realtime", aliases)
    if not re.fullmatch(LIVE, model):
        raise BadRequest(
            f"{model} is not offered for live speech here; use gpt-live-transcribe or qwen3-asr-flash-realtime.",
            param="model",
        )
    if region in REGIONS and region not in row.regions:
        raise BadRequest(f"{model} is not offered in the region {region}: use Beijing or Singapore.", param="model")
    return model
