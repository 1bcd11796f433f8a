"""Client events of the Realtime API and their decoder, which also decodes base64 audio.

The types follow OpenAI's OpenAPI document (RealtimeClientEvent…, RealtimeBetaClientEvent…, 2026-08). Unknown fields are
ignored. `session.py` interprets the fields of a session, including absent ones.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias, cast

import msgspec
import pybase64

from compat.errors import BadRequest
from compat.openai_api import shapes, surrogates
from compat.openai_api.realtime.patch import Patch


class Base64(bytes):
    """Bytes decoded from base64. pybase64 takes half the time of msgspec's decoder for `bytes`."""


_APPEND: Final = "input_audio_buffer.append"


class _FromClient(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    event_id: str | None = None


class SessionUpdate(_FromClient, frozen=True, tag="session.update"):
    session: Patch


class TranscriptionSessionUpdate(_FromClient, frozen=True, tag="transcription_session.update"):
    session: Patch


class Append(_FromClient, frozen=True, tag=_APPEND):
    audio: Base64


class Commit(_FromClient, frozen=True, tag="input_audio_buffer.commit"):
    pass


class Clear(_FromClient, frozen=True, tag="input_audio_buffer.clear"):
    pass


class Retrieve(_FromClient, frozen=True, tag="conversation.item.retrieve"):
    item_id: str


class Delete(_FromClient, frozen=True, tag="conversation.item.delete"):
    item_id: str


class Truncate(_FromClient, frozen=True, tag="conversation.item.truncate"):
    pass


class CreateItem(_FromClient, frozen=True, tag="conversation.item.create"):
    pass


class CreateResponse(_FromClient, frozen=True, tag="response.create"):
    pass


class CancelResponse(_FromClient, frozen=True, tag="response.cancel"):
    pass


class ClearOutput(_FromClient, frozen=True, tag="output_audio_buffer.clear"):
    pass


Unanswerable: TypeAlias = Truncate | CreateItem | CreateResponse | CancelResponse | ClearOutput
"""Events about a model's responses, which this server does not generate."""
ClientEvent: TypeAlias = (
    SessionUpdate | TranscriptionSessionUpdate | Append | Commit | Clear | Retrieve | Delete | Unanswerable
)


_BREAKS = str.maketrans("-_", "+/", " \t\r\n")


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


LONGEST = 256 << 10  # maximum characters of an event other than an append; decoding blocks the event loop


class _Kind(msgspec.Struct, frozen=True):
    type: str = ""


_kinds: msgspec.json.Decoder[_Kind] = msgspec.json.Decoder(_Kind)
_decoder: msgspec.json.Decoder[ClientEvent] = msgspec.json.Decoder(ClientEvent, dec_hook=_base64)


class UnreadableEvent(BadRequest):
    """An invalid event. `event_id` is the client's id of the event, if it can be decoded."""

    event_id: str | None = None


_SPACE: Final = r"[ \t\r\n]*"
_EVENT_ID: Final = r'"event_id"\s*:\s*"([A-Za-z0-9_-]*)"'
_HEAD, _TAIL = (
    re.compile(pattern.replace(r"\s*", _SPACE))
    for pattern in (
        rf'\s*{{\s*"type"\s*:\s*"{re.escape(_APPEND)}"\s*,\s*(?:{_EVENT_ID}\s*,\s*)?"audio"\s*:\s*"',
        rf'"\s*(?:,\s*{_EVENT_ID}\s*)?}}\s*',
    )
)


def _scanned(raw: str) -> Append | None:
    """Decode an append as clients write it, in half the time of the decoder. None leaves the frame to the decoder."""
    head = _HEAD.match(raw)
    if head is None:
        return None
    start, end = head.end(), raw.find('"', head.end())
    tail = _TAIL.fullmatch(raw, end) if end >= 0 else None
    if tail is None or (head[1] is not None and tail[1] is not None):
        return None
    try:
        audio = pybase64.b64decode(
            raw[start:end], validate=True
        )  # of an escape in the text, the decoder reads the rest
    except ValueError:
        return None
    # `Base64` only tells the decoder how to read the field. To make one would copy the audio.
    return Append(event_id=tail[1] if head[1] is None else head[1], audio=cast("Base64", audio))


def decode(raw: str | bytes) -> ClientEvent:
    """Decode one text frame. Raises UnreadableEvent, whose `param` is the path of the invalid field."""
    if isinstance(raw, str) and (append := _scanned(raw)) is not None:
        return append
    try:
        if len(raw) > LONGEST and _kinds.decode(raw).type != _APPEND:
            raise UnreadableEvent(
                f"An event other than input_audio_buffer.append may have at most {LONGEST:,} characters.",
                code="event_too_long",
            )
        return _with_unread(_decoder.decode(raw), raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if isinstance(raw, str) and len(raw) <= LONGEST and (whole := surrogates.replaced(raw)) != raw:
            return decode(whole)
        raise _unreadable(raw, str(error)) from error
    except RecursionError as error:
        raise _too_deep() from error


def _with_unread(event: ClientEvent, raw: str | bytes) -> ClientEvent:
    """Add the names of unknown session fields to an update."""
    if not isinstance(event, SessionUpdate | TranscriptionSessionUpdate):
        return event
    session: Patch = event.session.with_unread(msgspec.json.decode(raw)["session"])
    return msgspec.structs.replace(event, session=session)


def _too_deep() -> UnreadableEvent:
    return UnreadableEvent("The message is nested too deeply.", code="invalid_json")


def _unreadable(raw: str | bytes, reason: str) -> UnreadableEvent:
    try:
        message: Any = msgspec.json.decode(raw) if len(raw) <= LONGEST else _kinds.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return UnreadableEvent("The message is not valid JSON.", code="invalid_json")
    except RecursionError:
        return _too_deep()
    event_id = message.get("event_id") if isinstance(message, dict) else None
    path = shapes.path(reason)
    refused = UnreadableEvent(
        f"Invalid event: {shapes.reason(reason, 'the message')}.",
        param=path or None,
        code="invalid_event" if path in ("", "type") or shapes.missing(reason) else "invalid_value",
    )
    refused.event_id = event_id if isinstance(event_id, str) else None
    return refused
