"""Options that an operator's alias sets: `mine=fun-asr?vocabulary_id=vocab-1&language_hints=en`.

A client that can only choose a model gets them by choosing the alias. Fields that a client sends take precedence.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec

from compat.catalogue import vocabularies
from compat.catalogue.models import DIARIZE, alias_target, resolve
from compat.catalogue.options import OPTIONS, option
from compat.errors import BadRequest
from compat.transcript import Ask


def presets(name: str, aliases: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the options that an alias sets, unparsed, each with all its values; none for any other name."""
    found: dict[str, tuple[str, ...]] = {}
    for option_name, value in parse_qsl((alias_target(name, aliases) or "").partition("?")[2]):
        found[option_name] = (*found.get(option_name, ()), value)
    return found


def applied(ask: Ask, aliases: Mapping[str, str]) -> Ask:
    """Return the request with the options of its model's alias, and those of DIARIZE if that replaces the model.

    Raises ModelNotFound.
    """
    preset = presets(ask.model, aliases)
    if ask.wants_speakers and resolve(ask.model, aliases)[1].long:
        preset = {**presets(DIARIZE, aliases), **preset}
    return msgspec.structs.replace(ask, extensions={**preset, **ask.extensions}) if preset else ask


def check(alias: str, aliases: Mapping[str, str]) -> None:
    """Raise BadRequest if an alias sets an option that its model does not take or that has the wrong type, and
    ModelNotFound for an unknown model."""
    model, row = resolve(alias, aliases)
    _, mark, text = aliases[alias].partition("?")
    allowed = row.options | ({"vocabulary_id"} if vocabularies.takes(model) else set())
    if mark and len(presets(alias, aliases)) < len({part.partition("=")[0] for part in text.split("&")}):
        raise BadRequest(f"{text!r} is not a list of options such as vocabulary_id=vocab-1&channel_id=0.")
    for name, values in presets(alias, aliases).items():
        if name not in OPTIONS or name not in allowed:
            options = f"; it has {', '.join(sorted(allowed))}" if allowed else ""
            raise BadRequest(f"{model} has no option {name}{options}.", param=name)
        option(name, values, as_text=False)
