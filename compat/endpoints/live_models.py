"""DashScope's models for the names that clients of live sessions send."""

from __future__ import annotations

from collections.abc import Mapping

from compat.catalogue import models
from compat.catalogue.presets import presets
from compat.config.principal import Principal
from compat.config.settings import Settings


def live_model(name: str, settings: Settings, principal: Principal) -> str:
    """Return the DashScope id of the live model for a client's name. Raises CompatError."""
    preferred, region = principal.live_model or settings.live_model, settings.short_region
    return models.live(name, region=region, aliases=settings.aliases, preferred=preferred)


def live_presets(name: str, settings: Settings, principal: Principal) -> Mapping[str, tuple[str, ...]]:
    """Return the options that the operator's aliases set for a client's name, or for a client that names no model."""
    preferred, aliases = principal.live_model or settings.live_model, settings.aliases
    chosen = models.live_name(name or preferred, aliases, preferred)
    return {**presets(chosen, aliases), **presets(name, aliases)}


def preferred_model(settings: Settings, principal: Principal) -> str:
    """Return the DashScope id of the live model for a client that names none. Raises CompatError."""
    return live_model(principal.live_model or settings.live_model, settings, principal)


def live_translator(name: str, settings: Settings) -> str:
    """Return the DashScope id of the model for live translation. Raises CompatError."""
    preferred, region = settings.live_translation_model, settings.short_region
    return models.translator(name, region=region, aliases=settings.aliases, preferred=preferred)
