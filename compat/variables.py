"""Environment variables as dataclass fields: `setting(default, parse, doc)` declares one, `read` reads them all."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
Default = TypeVar("Default")


class SettingsError(Exception):
    """A setting that cannot be used; the message names it and says what to do."""


class Variable(msgspec.Struct, frozen=True):
    """How a setting is named in the environment, parsed and documented. Of several names the first that is set wins."""

    names: tuple[str, ...]
    parse: Callable[[str], object]
    doc: str


def setting(default: Default, parse: Callable[[str], T], doc: str, *names: str) -> Default | T:
    """A dataclass field read from the variables `names`, or from `COMPAT_` and the field's own name.

    `parse` raises ValueError that says what the value should have been.
    """
    declared: Any = field(
        default_factory=lambda: copy.copy(default), metadata={"parse": parse, "doc": doc, "names": names}
    )
    return declared  # type: ignore[no-any-return]


def variables(cls: type[Any]) -> dict[str, Variable]:
    """Field name → its variable, in order."""
    return {
        one.name: Variable(
            names=one.metadata["names"] or (f"COMPAT_{one.name.upper()}",),
            parse=one.metadata["parse"],
            doc=one.metadata["doc"],
        )
        for one in fields(cls)
    }


def read(cls: type[T], mapping: Mapping[str, str]) -> T:
    """The dataclass with every field that `mapping` sets. Raises SettingsError."""
    given: dict[str, object] = {}
    for name, variable in variables(cls).items():
        for key in variable.names:
            if mapping.get(key, "").strip():
                given[name] = _parsed(key, variable, mapping[key])
                break
    return cls(**given)


def _parsed(key: str, variable: Variable, value: str) -> object:
    try:
        return variable.parse(value)
    except ValueError as exc:
        raise SettingsError(f"{key} should be {exc}.") from exc
