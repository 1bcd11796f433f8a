"""A form's text fields by name, in every spelling that clients send (their form writers as of 2026-11).

A list comes as `name[]`, `name[0]` or `name`, repeated; or as one field with commas, a JSON array or a printed list. A
field that a client leaves empty, or fills with the word its language has for "nothing", counts as not sent.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from compat.config import parsers as values
from compat.errors import BadRequest
from compat.openai_api.parameters import TRANSCRIPTION

Name = TypeVar("Name", bound=str)

MOST_TEXT = 256 << 10
"""Characters of all fields together, but for voice samples: what reads them does so on the event loop."""
SAMPLES = "known_speaker_references"
ABSENT = frozenset({"", "null", "none", "nil", "undefined"})
"""JavaScript appends `undefined` and `null` to a form as words, Python prints None, Swift and Ruby nil."""
_MANY = {row.name for row in TRANSCRIPTION if row.many}
_SINGLE = {row.name for row in TRANSCRIPTION if not row.many}
_ARRAY = str.maketrans("", "", "[] \t\r\n")
_FREE_TEXT = frozenset({"prompt"})
_FREE_LISTS = frozenset({"keywords", "known_speaker_names"})
_LIST_NAME = re.compile(r"(.+?)\[\d*\]", re.DOTALL)
_STRATEGY = re.compile(r"chunking_strategy\[(\w+)\]")


class Fields:
    """`values` of OpenAI's fields, `strategy` the bracket fields of chunking_strategy, `extensions` all others."""

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        """Raises BadRequest for more text than MOST_TEXT, and for a field that is sent twice with different values and
        can have one."""
        fields = list(fields)
        _check_length(fields)
        self.values: dict[str, list[str]] = {}
        self.strategy: dict[str, str] = {}
        self.extensions: dict[str, list[str]] = {}
        for name, value in fields:
            if value.strip():
                self._add(name.replace("%5B", "[").replace("%5D", "]"), value)
        for name in self.values.keys() & _FREE_LISTS:  # one of several entries may be the word itself
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
        text = self.values.get(name, [""])[0].strip()
        return text if name in _FREE_TEXT else unquoted(text)

    def extension(self, name: str) -> str:
        """Takes an extension of this server's own out of those that are the model's business."""
        return _only(name, self.extensions.pop(name, [""])).strip()

    def many(self, name: str) -> list[str]:
        """A list whose entries may hold commas: repeated, or one JSON array."""
        values = [value.strip() for value in self.values.get(name, ())]
        return [entry.strip() for value in values for entry in _entries(value) if entry and entry.strip()]

    def words(self, name: str) -> list[str]:
        """A list of words without commas."""
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


def words(text: str) -> list[str]:
    """`word`, `word,segment`, `["word"]` and `['word', 'segment']`."""
    parts = (part.strip(" \t\r\n\"'") for part in text.strip().removeprefix("[").removesuffix("]").split(","))
    return [part for part in parts if part.lower() not in ABSENT]


def unquoted(text: str) -> str:
    """Without the quotes of a string that was sent as JSON."""
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == '"' else text


def choice(value: str, allowed: Sequence[Name], param: str) -> Name:
    """`value` as one of `allowed`, in any case; raises BadRequest that lists them."""
    for name in allowed:
        if value.lower() == name:
            return name
    raise BadRequest(f"{param} {value[:40]!r} is not one of {', '.join(allowed)}.", param=param)


def switch(text: str, param: str) -> bool:
    """Absent is false. Raises BadRequest."""
    try:
        return bool(text) and values.switch(unquoted(text))
    except ValueError as exc:
        raise BadRequest(f"{param} {text[:40]!r} should be true or false.", param=param) from exc


def _only(name: str, values: Sequence[str]) -> str:
    if any(value.strip() != values[0].strip() for value in values):
        raise BadRequest(f"{name} was sent more than once, with different values.", param=name)
    return values[0]


def _entries(text: str) -> Sequence[str | None]:
    """Those of a JSON array; any other text is an entry itself."""
    if text.startswith("["):
        with contextlib.suppress(msgspec.MsgspecError, RecursionError):
            return msgspec.json.decode(text, type=list[str | None])
    return [text]
