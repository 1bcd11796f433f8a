"""Checks of settings against the catalogue, before the server starts."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from compat.catalogue import live, presets, rates, translators
from compat.catalogue import models as catalogue
from compat.config import regions
from compat.config.settings import Settings
from compat.config.variables import SettingsError, one_letter_off
from compat.errors import BadRequest, ModelNotFound

log = logging.getLogger("compat")


def check(settings: Settings) -> None:
    """Raise SettingsError for settings that name models which cannot be used, or that contradict COMPAT_ONE_REGION."""
    _models(settings)
    _limits(settings)
    if settings.one_region:
        _one_region(settings)


def _one_region(settings: Settings) -> None:
    region = settings.short_region
    if region == "custom":
        raise SettingsError(
            "COMPAT_ONE_REGION=true needs to know the region of DASHSCOPE_BASE_URL: set DASHSCOPE_REGION too."
        )
    elsewhere = {
        "DASHSCOPE_FALLBACK_REGION or DASHSCOPE_FALLBACK_BASE_URL": settings.fallback_root
        and regions.short(settings.fallback_region, settings.fallback_base_url or settings.fallback_root),
        "DASHSCOPE_WEBSOCKET_BASE_URL": settings.websocket_url
        and regions.short(None, re.sub("^ws", "http", settings.websocket_url)),
        "COMPAT_BUCKET": settings.bucket
        and regions.short(dict(parse_qsl(urlsplit(settings.bucket).query))["region"], None),
    }
    for setting, other in elsewhere.items():
        if other and other != region:
            where = "an unknown region" if other == "custom" else other
            raise SettingsError(
                f"COMPAT_ONE_REGION=true keeps audio in {region}, but {setting} names {where}: remove one of them."
            )


def _models(settings: Settings) -> None:
    for alias in settings.aliases:
        sentences = catalogue.text_translator(alias, settings.aliases)
        if sentences is None:
            _alias("COMPAT_MODEL_ALIASES", alias, settings.aliases)
        elif "?" in settings.aliases[alias]:
            raise SettingsError(
                f"COMPAT_MODEL_ALIASES names {settings.aliases[alias]}, but {sentences} has no options."
            )
    for alias, target in settings.diarize.items():
        _alias("COMPAT_DIARIZE_MODEL", alias, settings.diarize)
        model, row = catalogue.resolve(alias, settings.diarize)
        if not catalogue.diarizes(model, row):
            raise SettingsError(f"COMPAT_DIARIZE_MODEL names {target}, which has no speaker diarization; fun-asr has.")
    _live(settings)
    region, (model, row) = settings.short_region, catalogue.resolve("whisper-1", {}, settings.model_family)
    if region in catalogue.REGIONS and not (region in row.regions or row.us):
        raise SettingsError(
            f"COMPAT_MODEL_FAMILY={settings.model_family} needs {model}, which {region} does not offer."
        )


def _alias(setting: str, alias: str, given: Mapping[str, str]) -> None:
    try:
        presets.check(alias, given)
    except ModelNotFound as exc:
        raise SettingsError(f"{setting} names {given[alias].partition('?')[0]}, which is not a known model.") from exc
    except BadRequest as exc:
        raise SettingsError(f"{setting} names {given[alias]}, but {exc.message}") from exc


def _live(settings: Settings) -> None:
    try:
        preferred = catalogue.resolve(settings.live_model, settings.aliases)[0]
    except ModelNotFound as exc:
        raise SettingsError(f"COMPAT_LIVE_MODEL names {settings.live_model}, which is not a known model.") from exc
    found = live.find(preferred)
    if found is None or found.protocol == "livetranslate":
        raise SettingsError(f"COMPAT_LIVE_MODEL names {settings.live_model}, which does not transcribe live speech.")
    translator = settings.live_translation_model
    try:
        catalogue.translator(translator, region="custom", aliases=settings.aliases, preferred=translators.DEFAULT)
    except ModelNotFound as exc:
        raise SettingsError(
            f"COMPAT_LIVE_TRANSLATION_MODEL names {translator}, which is not a known model; {translators.DEFAULT} and "
            "qwen-mt-flash are."
        ) from exc
    except BadRequest as exc:
        raise SettingsError(f"COMPAT_LIVE_TRANSLATION_MODEL names {translator}, but {exc.message}") from exc


def _limits(settings: Settings) -> None:
    known = {row.name for row in rates.ROWS} | {name for row in catalogue.MODELS for name in row.known}
    known |= {*(target.partition("?")[0] for target in settings.aliases.values()), settings.translation_model}
    for setting, given in {"COMPAT_RATES": {*(settings.rates or ())}, "COMPAT_PRICES": {*settings.prices}}.items():
        for name in sorted(given - known):
            candidates = [other for other in sorted(known) if _misspelt(name, other)]
            if candidates:
                raise SettingsError(
                    f"{setting} names {name}, which is not a known model; {' or '.join(candidates)} is."
                )
            patterns = (*(row.pattern for row in rates.ROWS), *(row.pattern for row in catalogue.MODELS))
            if not any(re.fullmatch(pattern, name) for pattern in patterns):
                fields = {"setting": setting, "model": name}
                log.warning("a setting names an unknown model and has no effect on it", extra={"fields": fields})


def _misspelt(name: str, known: str) -> bool:
    """Return whether the names differ by one letter, and not only in the digits of a version."""
    return one_letter_off(name, known) and re.sub(r"\d", "", name) != re.sub(r"\d", "", known)
