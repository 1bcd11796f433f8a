"""Text fields of a form, in every notation that clients use (as of 2026-11).

A list is sent as repeated fields `name[]`, `name[0]` or `name`, or as one field: comma-separated, a JSON array or a
printed Python list. A field that is empty or holds a null word (`null`, `None`, `undefined`, …) counts as absent.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from compat.config import parsers as values
from compat.errors import BadRequest
from compat.openai_api.parameters import TRANSCRIPTION

Name = TypeVar("Name", bound=str)

MOST_TEXT = 256 << 10
"""Maximum characters of all fields together, except voice samples. The fields are parsed on the event loop."""
SAMPLES = "known_speaker_references"
ABSENT = frozenset({"", "null", "none", "nil", "undefined"})
"""JavaScript writes absent values to a form as `undefined` and `null`, Python as `None`, Swift and Ruby as `nil`."""
_MANY = {row.name for row in TRANSCRIPTION if row.many}
_SINGLE = {row.name for row in TRANSCRIPTION if not row.many}
_ARRAY = str.maketrans("", "", "[] \t\r\n")
_FREE_TEXT = frozenset({"prompt"})
_FREE_LISTS = frozenset({"keywords", "known_speaker_names"})
_LIST_NAME = re.compile(r"(.+?)\[\d*\]", re.DOTALL)
_PRINTED = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|None)\s*(?:,|$)""", re.DOTALL)
"""An entry of a printed Python list."""
_STRATEGY = re.compile(r"chunking_strategy\[(\w+)\]")


class Fields:
    """The fields of a form by name.

    `values` holds OpenAI's fields, `strategy` the bracket fields of chunking_strategy, `extensions` all others.
    """

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        """Raises BadRequest if the text exceeds MOST_TEXT, or if a single-valued field has several different values."""
        fields = list(fields)
        _check_length(fields)
        self.values: dict[str, list[str]] = {}
        self.strategy: dict[str, str] = {}
        self.extensions: dict[str, list[str]] = {}
        for name, value in fields:
            if value.strip():
                self._add(name.replace("%5B", "[").replace("%5D", "]"), value)
        for name in self.values.keys() & _FREE_LISTS:  # in a list of several, "null" may be a real entry
            if [value.strip().lower() in ABSENT for value in self.values[name]] == [True]:
                del self.values[name]
        for name in self.values.keys() & _SINGLE:
            self.values[name] = [_only(name, self.values[name])]

    def _add(self, name: str, value: str) -> None:
        if member := _STRATEGY.fullmatch(name):
            self.strategy[member[1]] = _only("chunking_strategy", [self.strategy.get(member[1], value), value])
            return
        listed = _LIST_NAME.fullmatch(name)
        name = listed[1] if listed else name
        if value.strip().lower() in ABSENT and name not in _FREE_LISTS:
            return
        known = name in _MANY | _SINGLE
        if not known and not value.translate(_ARRAY):
            return
        (self.values if known else self.extensions).setdefault(name, []).append(value)

    def one(self, name: str) -> str:
        """Return the value of a single-valued field, or an empty string."""
        text = self.values.get(name, [""])[0].strip()
        return text if name in _FREE_TEXT else unquoted(text)

    def extension(self, name: str) -> str:
        """Remove an extension of this server from `extensions` and return its value. Options of models remain."""
        return _only(name, self.extensions.pop(name, [""])).strip()

    def many(self, name: str) -> list[str]:
        """Return a list whose entries may contain commas, sent as repeated fields, a JSON array or a printed list."""
        values = [value.strip() for value in self.values.get(name, ())]
        return [entry.strip() for value in values for entry in _entries(value) if entry and entry.strip()]

    def words(self, name: str) -> list[str]:
        """Return a list of words, which may also be separated by commas."""
        return [word for value in self.values.get(name, ()) for word in words(value)]


def _check_length(fields: Iterable[tuple[str, str]]) -> None:
    lengths = {name: 0 for name, _ in fields}
    for name, value in fields:
        lengths[name] += 0 if name.startswith(SAMPLES) else len(name) + len(value)
    if sum(lengths.values()) > MOST_TEXT:
        longest = max(lengths, key=lambda name: lengths[name])
        raise BadRequest(
            f"The fields are too long: they take {MOST_TEXT:,} characters together at most.", param=longest[:64]
        )


def single_values(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters of a query, without Azure's `api-version`. Raises BadRequest for one that was sent with
    different values."""
    sent: dict[str, list[str]] = {}
    for name, value in given:
        if name != "api-version":
            sent.setdefault(name, []).append(value)
    return {name: _only(name[:64], each).strip() for name, each in sent.items()}


def words(text: str) -> list[str]:
    """Split a list such as `word`, `word,segment`, `["word"]` or `['word', 'segment']`."""
    parts = (part.strip(" \t\r\n\"'") for part in text.strip().removeprefix("[").removesuffix("]").split(","))
    return [part for part in parts if part.lower() not in ABSENT]


def unquoted(text: str) -> str:
    """Return the text without the quotes of a JSON string."""
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == '"' else text


def choice(value: str, allowed: Sequence[Name], param: str) -> Name:
    """Return `value` as one of `allowed`, ignoring case. Raises BadRequest, with a message that lists them."""
    for name in allowed:
        if value.lower() == name:
            return name
    raise BadRequest(f"{param} {value[:40]!r} is not one of {', '.join(allowed)}.", param=param)


def switch(text: str, param: str) -> bool:
    """Parse a boolean; an empty text is false. Raises BadRequest."""
    try:
        return bool(text) and values.switch(unquoted(text))
    except ValueError as exc:
        raise BadRequest(f"{param} {text[:40]!r} should be true or false.", param=param) from exc


def number(text: str) -> float | None:
    """Parse a number, also with a decimal comma, as clients with a German locale send it. None if it is not one."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _only(name: str, values: Sequence[str]) -> str:
    if any(value.strip() != values[0].strip() for value in values):
        raise BadRequest(f"{name} was sent more than once, with different values.", param=name)
    return values[0]


def _entries(text: str) -> Sequence[str | None]:
    """Return the entries of a JSON array or a printed Python list. Any other text is a single entry."""
    if text.startswith("[") and text.endswith("]"):
        with contextlib.suppress(msgspec.MsgspecError, RecursionError):
            return msgspec.json.decode(text, type=list[str | None])
        return _printed(text[1:-1]) or [text]
    return [text]


def _printed(text: str) -> list[str]:
    """Return the entries of a printed Python list, given without its brackets; empty if the text is not one."""
    entries, position = [], 0
    while position < len(text):
        entry = _PRINTED.match(text, position)
        if entry is None:
            return []
        entries.append(re.sub(r"\\(.)", r"\1", entry[1] or entry[2] or "", flags=re.DOTALL))
        position = entry.end()
    return entries
