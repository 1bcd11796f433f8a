"""Decoder of client events, which also decodes base64 audio. Unknown fields are ignored."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar, cast

import msgspec
import pybase64

from compat.errors import BadRequest
from compat.openai_api import shapes, surrogates

T = TypeVar("T")
LONGEST: Final = 256 << 10  # maximum characters of an event other than an append; decoding blocks the event loop
_BREAKS = str.maketrans("-_", "+/", " \t\r\n")
_SPACE: Final = r"[ \t\r\n]*"
_EVENT_ID: Final = r'"event_id"\s*:\s*"([A-Za-z0-9_-]*)"'


class Base64(bytes):
    """Bytes decoded from base64. pybase64 takes half the time of msgspec's decoder for `bytes`."""


class UnreadableEvent(BadRequest):
    """An invalid event. `event_id` is the client's id of the event, if it can be decoded."""

    event_id: str | None = None


class _Kind(msgspec.Struct, frozen=True):
    type: str = ""


_kinds: msgspec.json.Decoder[_Kind] = msgspec.json.Decoder(_Kind)


class _Append(Protocol):
    def __call__(self, *, event_id: str | None, audio: Base64) -> Any: ...  # noqa: ANN401 - one of the union


class Reader(Generic[T]):
    """Decodes events of the union `events`.

    `append` is the type of the event with audio, and `appended` its constructor. `complete` is called with each decoded
    event and its JSON. An error about an unknown type suggests the types in `useful`.
    """

    def __init__(
        self,
        events: Any,  # noqa: ANN401
        append: str,
        appended: _Append,
        complete: Callable[[T, str | bytes], T],
        useful: Sequence[str],
    ) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(events, dec_hook=_base64)
        self._append = append
        self._appended = appended
        self._complete = complete
        self._advice = f" (use {', '.join(useful[:-1])} or {useful[-1]})"
        self._head, self._tail = (
            re.compile(pattern.replace(r"\s*", _SPACE))
            for pattern in (
                rf'\s*{{\s*"type"\s*:\s*"{re.escape(append)}"\s*,\s*(?:{_EVENT_ID}\s*,\s*)?"audio"\s*:\s*"',
                rf'"\s*(?:,\s*{_EVENT_ID}\s*)?}}\s*',
            )
        )

    def decode(self, raw: str | bytes) -> T:
        """Decode one text frame. Raises UnreadableEvent, whose `param` is the path of the invalid field."""
        if isinstance(raw, str) and (append := self._scanned(raw)) is not None:
            return append
        try:
            if len(raw) > LONGEST and _kinds.decode(raw).type != self._append:
                raise UnreadableEvent(
                    f"An event other than {self._append} may have at most {LONGEST:,} characters.",
                    code="event_too_long",
                )
            return self._complete(self._decoder.decode(raw), raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if isinstance(raw, str) and len(raw) <= LONGEST and (whole := surrogates.replaced(raw)) != raw:
                return self.decode(whole)
            raise _unreadable(raw, str(error), self._advice) from error
        except RecursionError as error:
            raise _too_deep() from error

    def _scanned(self, raw: str) -> T | None:
        """Decode an append as clients write it, in half the time of the decoder. None leaves the frame to the
        decoder."""
        head = self._head.match(raw)
        if head is None:
            return None
        start, end = head.end(), raw.find('"', head.end())
        tail = self._tail.fullmatch(raw, end) if end >= 0 else None
        if tail is None or (head[1] is not None and tail[1] is not None):
            return None
        try:
            audio = pybase64.b64decode(
                raw[start:end], validate=True
            )  # of an escape in the text, the decoder reads the rest
        except ValueError:
            return None
        # `Base64` only tells the decoder how to read the field. To make one would copy the audio.
        event: T = self._appended(event_id=tail[1] if head[1] is None else head[1], audio=cast("Base64", audio))
        return event


def _base64(_: type, text: str) -> Base64:
    """Decode base64, also in the URL-safe alphabet, with line breaks (Android, Python's `encodebytes`) or unpadded."""
    try:
        return Base64(pybase64.b64decode(text, validate=True))
    except TypeError as error:
        raise ValueError("Expected `str`") from error
    except ValueError as error:
        if not text.isascii():  # `translate` takes a hundred times as long on such text
            raise ValueError("Invalid base64 encoded string") from error
    bare = text.translate(_BREAKS).rstrip("=")
    try:
        return Base64(pybase64.b64decode(bare + "=" * (-len(bare) % 4), validate=True))
    except ValueError as error:
        raise ValueError("Invalid base64 encoded string") from error


def _too_deep() -> UnreadableEvent:
    return UnreadableEvent("The message is nested too deeply.", code="invalid_json")


def _unreadable(raw: str | bytes, reason: str, advice: str) -> UnreadableEvent:
    """Return the error for a frame. `advice` is added to the message about an unknown type."""
    try:
        message: Any = msgspec.json.decode(raw) if len(raw) <= LONGEST else _kinds.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return UnreadableEvent("The message is not valid JSON.", code="invalid_json")
    except RecursionError:
        return _too_deep()
    event_id = message.get("event_id") if isinstance(message, dict) else None
    path = shapes.path(reason)
    refused = UnreadableEvent(
        f"Invalid event: {shapes.reason(reason, 'the message')}{advice if path == 'type' else ''}.",
        param=path or None,
        code="invalid_event" if path in ("", "type") or shapes.missing(reason) else "invalid_value",
    )
    refused.event_id = event_id if isinstance(event_id, str) else None
    return refused
