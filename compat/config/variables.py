"""Environment variables as dataclass fields: `setting(default, parse, doc)` declares one, `read` reads them all."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from typing import Any, Final, TypeVar

import msgspec

# Variables that Kubernetes sets for a Service whose name begins with `compat`, and Docker for a link.
SERVICE: Final = re.compile(r"COMPAT_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")

T = TypeVar("T")
Default = TypeVar("Default")


class SettingsError(Exception):
    """A setting is invalid. The message names it and says what to do."""


class Variable(msgspec.Struct, frozen=True):
    """The names of a setting in the environment, its parser, description and default. The first name that is set
    wins."""

    names: tuple[str, ...]
    parse: Callable[[str], object]
    doc: str
    default: object


def setting(default: Default, parse: Callable[[str], T], doc: str, *names: str) -> Default | T:
    """Declare a dataclass field that is read from the variables `names`, by default `COMPAT_` and the field's name.

    `parse` raises ValueError with a phrase that completes "NAME should be …".
    """
    declared: Any = field(
        default_factory=lambda: copy.copy(default),
        metadata={"parse": parse, "doc": doc, "names": names, "default": default},
    )
    return declared  # type: ignore[no-any-return]


def variables(cls: type[Any]) -> dict[str, Variable]:
    """Return the variables by field name, in order."""
    return {
        each.name: Variable(
            names=each.metadata["names"] or (f"COMPAT_{each.name.upper()}",),
            parse=each.metadata["parse"],
            doc=each.metadata["doc"],
            default=each.metadata["default"],
        )
        for each in fields(cls)
    }


def read(cls: type[T], mapping: Mapping[str, str]) -> T:
    """Return the dataclass with the fields that `mapping` sets. Raises SettingsError for an invalid value and for a
    misspelt name."""
    known = [name for variable in variables(cls).values() for name in variable.names]
    for given_name in unknown(cls, mapping):
        candidates = [name for name in known if _nearly(given_name, name)]
        if candidates and not SERVICE.fullmatch(given_name):
            raise SettingsError(f"{given_name} is not a setting; {' or '.join(candidates)} is.")
    given: dict[str, object] = {}
    for name, variable in variables(cls).items():
        for key in variable.names:
            if mapping.get(key, "").strip():
                given[name] = _parsed(key, variable, mapping[key])
                break
    return cls(**given)


def overruled(cls: type[Any], mapping: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (overruled name, name that is read) for each setting that has two names set to different values."""
    pairs = []
    for variable in variables(cls).values():
        given = {name: _bare(mapping[name]) for name in variable.names if mapping.get(name, "").strip()}
        first = next(iter(given), "")
        pairs += [(name, first) for name, value in given.items() if value != given[first]]
    return pairs


def _bare(value: str) -> str:
    """Return an address without the path that the DashScope SDK expects in its variables."""
    return re.sub(r"/(api|compatible-mode)/v1$", "", value.strip().rstrip("/"))


def unknown(cls: type[Any], mapping: Mapping[str, str]) -> list[str]:
    """Return the names that are set in `mapping` and belong to no field."""
    known = {name for variable in variables(cls).values() for name in variable.names}
    return [name for name, value in mapping.items() if name not in known and value.strip()]


def _nearly(given: str, name: str) -> bool:
    """Return whether `given` differs from `name` only in case, hyphens, plurals, or one letter that is wrong, missing,
    added or swapped with the next."""
    given = re.sub(r"[-.]", "_", given.upper())
    words, others = given.split("_"), name.split("_")
    return (len(words) == len(others) and all(map(_alike, words, others))) or one_letter_off(given, name)


def one_letter_off(given: str, name: str) -> bool:
    """Return whether the names are equal or one letter of `given` is wrong, missing, added or swapped with the next."""
    same = next((at for at, (a, b) in enumerate(zip(given, name, strict=False)) if a != b), min(len(given), len(name)))
    left, right = given[same:], name[same:]
    swapped = left[:2] == right[1::-1] and left[2:] == right[2:]
    return swapped or left[1:] == right[1:] or left[1:] == right or left == right[1:]


def _alike(word: str, other: str) -> bool:
    short, long = sorted((word, other), key=len)
    return long in (short, f"{short}S", f"{short}ES", f"{short.removesuffix('Y')}IES")


def _parsed(key: str, variable: Variable, value: str) -> object:
    try:
        return variable.parse(value)
    except ValueError as exc:
        raise SettingsError(f"{key} should be {exc}.") from exc
