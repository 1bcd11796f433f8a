"""DashScope models: surfaces, regions and options of each, and lookup by name or alias.

Sources: DashScope's model pages as of 2026-11-21 (guide to non-realtime speech recognition; API references of
qwen3-asr, fun-asr and paraformer) and the official package 2.0.2. Ids are matched by pattern, so a new snapshot of a
known family works without a code change.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from compat import languages
from compat.catalogue import live as live_models
from compat.catalogue import translators
from compat.catalogue.aliases import ALIASES, native
from compat.config.parsers import Family
from compat.errors import BadRequest, ModelNotFound
from compat.transcript import Option, Surface


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model family.

    `pattern` must match the whole id. `known` lists the ids shown by `/v1/models`. `surface` is None for models that
    accept live speech only. `long` is true if the model with `-filetrans` added takes over what this one lacks: long
    audio, audio at a url, timestamps, channels, speakers. `pieces` is true if the model can also transcribe long audio
    in pieces. `us` names the model that replaces it in the us region. `context` is the form of context that the
    model accepts: one `text`, or messages in `rounds` (see compat.catalogue.biasing). `languages` are the language
    codes it accepts. `always` holds default options, which a request may override.
    """

    pattern: str
    known: tuple[str, ...]
    surface: Surface | None
    regions: frozenset[str]
    long: bool = False
    pieces: bool = False
    us: str | None = None
    context: Literal["text", "rounds"] | None = None
    languages: frozenset[str] = languages.FUN
    options: frozenset[str] = frozenset()
    always: dict[str, Option] = {}


_EAST = frozenset({"beijing", "singapore"})
_QWEN3 = frozenset({"enable_itn", "enable_lid"})
_FILES = frozenset(
    {"channel_id", "diarization_enabled", "language_hints", "speaker_count", "special_word_filter", "vocabulary_id"}
)
# The synchronous qwen-audio-3.1 has a switch for speakers of another name, which turns the language hints off; the file
# task has no such restriction.
_FLASH = frozenset({"language_hints", "vocabulary_id"})
# help.aliyun.com, Paraformer file transcription API, `language_hints` of paraformer-v2
_PARAFORMER_LANGUAGES = frozenset({"zh", "en", "ja", "yue", "ko", "de", "fr", "ru"})
# By default the service masks the words of a built-in list with asterisks; this turns the list off. The guide to
# non-realtime recognition documents an object, Paraformer's API reference a JSON string.
_UNMASKED: dict[str, Option] = {"special_word_filter": {"system_reserved_filter": False}}
_UNMASKED_PARAFORMER: dict[str, Option] = {"special_word_filter": '{"system_reserved_filter":false}'}
_PARAFORMER = {"audio_event_detection_enabled", "disfluency_removal_enabled", "timestamp_alignment_enabled"}
# The first match wins, so specific patterns come first.
MODELS: tuple[Model, ...] = (
    *(
        Model(pattern=row.pattern, known=row.known, surface=None, regions=row.regions, languages=row.languages)
        for row in live_models.MODELS
    ),
    Model(
        pattern=r".*-realtime.*|gummy-.*|qwen-audio-3\..*-(streaming|message).*",
        known=(),
        surface=None,
        regions=_EAST,
    ),
    Model(
        pattern=r"qwen-audio-3\..*-filetrans.*",
        known=("qwen-audio-3.1-asr-flash-filetrans", "qwen-audio-3.0-asr-flash-filetrans"),
        surface="filetrans-3",
        regions=_EAST,
        context="rounds",
        options=_FILES | {"vocabulary"},
    ),
    Model(
        pattern=r".*-filetrans.*",
        known=("qwen3-asr-flash-filetrans",),
        surface="filetrans",
        regions=_EAST,
        context="text",
        languages=languages.QWEN,
        options=frozenset({"channel_id", "enable_itn", "enable_words"}),
    ),
    Model(
        pattern=r"qwen3-asr-flash(-.*)?-us",
        known=("qwen3-asr-flash-us",),
        surface="generation",
        regions=frozenset({"us"}),
        pieces=True,
        context="text",
        languages=languages.QWEN,
        options=_QWEN3,
    ),
    Model(
        pattern=r"qwen3-asr-flash",
        known=("qwen3-asr-flash",),
        surface="chat",
        regions=_EAST,
        long=True,
        pieces=True,
        us="qwen3-asr-flash-us",
        context="text",
        languages=languages.QWEN,
        options=_QWEN3,
    ),
    Model(
        pattern=r"qwen3-asr-flash-.*",
        known=(),
        surface="chat",
        regions=_EAST,
        context="text",
        languages=languages.QWEN,
        options=_QWEN3,
    ),
    Model(
        pattern=r"qwen-audio-3\.\d+-asr-flash",
        known=("qwen-audio-3.1-asr-flash", "qwen-audio-3.0-asr-flash"),
        surface="generation-audio",
        regions=_EAST,
        long=True,
        pieces=True,
        context="rounds",
        options=_FLASH | {"vocabulary"},
    ),
    Model(
        pattern=r"qwen-audio-3\..*",
        known=(),
        surface="generation-audio",
        regions=_EAST,
        context="rounds",
        options=_FLASH | {"vocabulary"},
    ),
    Model(
        pattern=r"fun-asr-flash-.*",
        known=("fun-asr-flash-2026-06-15",),
        surface="generation-audio",
        regions=_EAST,
        context="rounds",
        options=_FLASH,
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
        pattern=r"paraformer-(8k-|mtl-)?v1",
        known=("paraformer-v1", "paraformer-8k-v1", "paraformer-mtl-v1"),
        surface="transcription",
        regions=frozenset({"beijing"}),
        languages=frozenset(),
        options=(_FILES | _PARAFORMER) - {"language_hints", "vocabulary_id"},
        always={"timestamp_alignment_enabled": True, **_UNMASKED_PARAFORMER},
    ),
    Model(
        pattern=r"paraformer.*",
        known=("paraformer-v2", "paraformer-8k-v2"),
        surface="transcription",
        regions=frozenset({"beijing"}),
        languages=_PARAFORMER_LANGUAGES,
        options=_FILES | _PARAFORMER,
        always={"timestamp_alignment_enabled": True, **_UNMASKED_PARAFORMER},
    ),
)
LONGEST = 64  # characters of a model's id whose row is remembered
REGIONS = ("beijing", "singapore", "us")  # regions with a known list of models


DIARIZE = "gpt-4o-transcribe-diarize"  # the name behind which the operator may set the model for speaker diarization


def names(aliases: Mapping[str, str], region: str = "custom", family: Family = "qwen3-asr") -> tuple[str, ...]:
    """Return the names that `/v1/models` lists for the region.

    The order is: the operator's aliases, built-in aliases, DashScope ids.
    """
    known = dict.fromkeys([*aliases, *ALIASES, *(name for row in MODELS for name in row.known)])
    return tuple(
        name
        for name in known
        if region not in REGIONS
        or text_translator(name, aliases)
        or _offered(resolve(name, aliases, family)[1], region)
    )


def _offered(row: Model, region: str) -> bool:
    """Whether the region offers the model, or has another in its place."""
    return region in row.regions or (region == "us" and row.us is not None)


def alias_target(name: str, aliases: Mapping[str, str]) -> str | None:
    """Return what the operator's alias `name`, in any case, stands for: `model` or `model?option=value&…`."""
    own = (target for alias, target in aliases.items() if alias.lower() == name.lower())
    return aliases.get(name) or next(own, None)


def text_translator(name: str, aliases: Mapping[str, str]) -> str | None:
    """Return the id of the Qwen-MT model behind a name, or None for any other model. Qwen-MT has no row in MODELS,
    because it takes no audio."""
    named = (alias_target(name, aliases) or name).partition("?")[0].rpartition("/")[2].lower()
    return named if re.fullmatch(translators.OF_SENTENCES, named) else None


def resolve(name: str, aliases: Mapping[str, str], family: Family = "qwen3-asr") -> tuple[str, Model]:
    """Return the DashScope id for a name sent by a client, and its row. Case and a vendor's prefix do not matter.

    `family` decides on the models behind OpenAI's names. Raises ModelNotFound, with a message that lists the known
    names.
    """
    own = alias_target(name, aliases)
    given = name if own is None else own.partition("?")[0]  # compat.catalogue.presets reads the rest
    for spelling in (given.rpartition("/")[2], given):
        model = native(spelling, family).lower()  # as all of DashScope's ids
        row = _row(model) if len(model) <= LONGEST else _searched(model)
        if row:
            return model, row
    if sentences := text_translator(name, aliases):
        raise ModelNotFound(f"{sentences[:80]} translates text: it is for sessions of /v1/realtime/translations.")
    raise ModelNotFound(
        f"The model {name[:80]!r} is not known here; COMPAT_MODEL_ALIASES=name=model adds names. "
        f"Known: {', '.join(names(aliases))}."
    )


def _searched(model: str) -> Model | None:
    return next((row for row in MODELS if re.fullmatch(row.pattern, model)), None)


_row = functools.lru_cache(maxsize=256)(_searched)


def sibling(model: str, aliases: Mapping[str, str]) -> tuple[str, Model]:
    """Return the model for file tasks that does what `model` cannot, and its row. Its `long` has to be true."""
    return resolve(f"{model}-filetrans", aliases)


def diarizes(model: str, row: Model) -> bool:
    """Return whether the model, or its sibling in its place, supports speaker diarization."""
    return "diarization_enabled" in (sibling(model, {})[1] if row.long else row).options


def deployed(deployment: str, models: Iterable[str], aliases: Mapping[str, str]) -> str:
    """Return the model name for an Azure deployment: the deployment's own name, or the first known name in `models`.

    Raises ModelNotFound if none of them is known.
    """
    for name in (deployment, *models):
        try:
            resolve(name, aliases)
        except ModelNotFound:
            continue
        return name
    raise ModelNotFound(
        f"The deployment {deployment[:80]!r} is not known here; "
        f"COMPAT_MODEL_ALIASES={deployment[:80]}=qwen3-asr-flash adds it."
    )


def live_name(name: str, aliases: Mapping[str, str], preferred: str) -> str:
    """Return the name that selects the live model: `preferred` in place of OpenAI's names. Raises ModelNotFound."""
    model = resolve(name, aliases)[0]
    named = (alias_target(name, aliases) or name).partition("?")[0].rpartition("/")[2].lower()
    return preferred if model in ("qwen3-asr-flash", live_models.DEFAULT) and named != live_models.DEFAULT else name


def live(name: str, *, region: str, aliases: Mapping[str, str], preferred: str = live_models.DEFAULT) -> str:
    """Return the DashScope id of the live model for a name. `preferred` is the name that OpenAI's names stand for.

    Raises ModelNotFound for an unknown name, and BadRequest, with a message that names a usable model, if the model
    does not take live speech or is not offered in the region.
    """
    model, row = resolve(live_name(name, aliases, preferred), aliases)
    found = live_models.find(model)
    if found is None or found.protocol == "livetranslate":
        raise BadRequest(
            f"{model} does not support realtime transcription; use gpt-live-transcribe or {preferred}."
            + (" Live translation is at /v1/realtime/translations." if found else ""),
            param="model",
        )
    _check_region(model, row, region)
    return model


def translator(name: str, *, region: str, aliases: Mapping[str, str], preferred: str) -> str:
    """Return the DashScope id of the model for live translation: one of LiveTranslate, or of Qwen-MT for sentences.

    `preferred` is the name that OpenAI's name stands for. Raises ModelNotFound for an unknown name, and BadRequest for
    a model that does not translate live speech, or not in the region.
    """
    named = (alias_target(name, aliases) or name).partition("?")[0].rpartition("/")[2].lower()
    if named.startswith(translators.OPENAI):
        named = (alias_target(preferred, aliases) or preferred).lower()
    if sentences := text_translator(named, {}):
        return sentences
    model, row = resolve(named, aliases)
    if translators.find(model) is None:
        raise BadRequest(
            f"{model} does not translate live speech; use {translators.OPENAI} or {translators.DEFAULT}.",
            param="model",
        )
    _check_region(model, row, region, ", or qwen-mt-flash, which translates the text of live recognition")
    return model


def _check_region(model: str, row: Model, region: str, otherwise: str = "") -> None:
    if region in REGIONS and region not in row.regions:
        offered = " or ".join(each.capitalize() for each in REGIONS if each in row.regions)
        raise BadRequest(f"{model} is not offered in the region {region}: use {offered}{otherwise}.", param="model")
