"""What the emulator remembers of a request: its shape, for a test to look at, and never its sound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compat.emulator.state import Seen
from compat.emulator.surface import Asked, own_headers


def chat(asked: Asked) -> Seen:
    """Parameters are all of the body but model and messages."""
    body = _object(asked.body)
    rest = {name: value for name, value in body.items() if name not in {"model", "messages"}}
    return _seen(asked, rest, _list(body.get("messages")))


def native(asked: Asked) -> Seen:
    """Parameters are the native `parameters`, and beside them whatever else stands at the top."""
    body = _object(asked.body)
    rest = {name: value for name, value in body.items() if name not in {"model", "input", "parameters"}}
    given = _object(body.get("input"))
    audio = next((kind(address) for address in _addresses(given)), None)
    return _seen(asked, rest | _object(body.get("parameters")), _list(given.get("messages")), audio)


def kind(address: str) -> str:
    """`data:<mime>`, or the address's scheme."""
    if address.startswith("data:"):
        return address[:100].partition(";")[0].partition(",")[0]
    scheme, colon, _ = address[:20].partition(":")
    return scheme if colon else "other"


def _seen(asked: Asked, parameters: dict[str, Any], messages: list[Any], audio: str | None = None) -> Seen:
    context = None
    for role, part in _parts(messages):
        address = part.get("audio") or _object(part.get("input_audio")).get("data")
        if isinstance(address, str):
            audio = kind(address)
        if role == "system":
            context = part.get("text")
    return Seen(
        surface=asked.surface,
        model=str(_object(asked.body).get("model", "")),
        parameters=parameters,
        headers=own_headers(asked.request),
        audio=audio,
        context=context,
    )


def _parts(messages: list[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    for message in map(_object, messages):
        content = message.get("content")
        for part in content if isinstance(content, list) else [{"text": content}]:
            yield message.get("role"), _object(part)


def _addresses(given: dict[str, Any]) -> Iterator[str]:
    for address in [given.get("file_url"), *_list(given.get("file_urls"))]:
        if isinstance(address, str):
            yield address


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
