"""Client events of the Realtime API and their decoder.

The types follow OpenAI's OpenAPI document (RealtimeClientEvent…, RealtimeBetaClientEvent…, 2026-08). Unknown fields are
ignored. `session.py` interprets the fields of a session, including absent ones.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from compat.errors import BadRequest
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.reader import Base64, Reader

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


def unanswerable(event: Unanswerable) -> BadRequest:
    """Return the error for an event about responses."""
    if isinstance(event, CancelResponse):  # clients know OpenAI's answer to this, and go on
        return BadRequest("Cancellation failed: no active response found", code="response_cancel_not_active")
    return BadRequest(
        "This server transcribes and never answers: there are no responses, and no items but the caller's own speech.",
        param="type",
        code="unsupported_event",
    )


def _with_unread(event: ClientEvent, raw: str | bytes) -> ClientEvent:
    """Add the names of unknown session fields to an update."""
    if not isinstance(event, SessionUpdate | TranscriptionSessionUpdate):
        return event
    return msgspec.structs.replace(event, session=event.session.with_unread(msgspec.json.decode(raw)["session"]))


_USEFUL: Final = ("session.update", _APPEND, "input_audio_buffer.commit", "input_audio_buffer.clear")
_reader = Reader(ClientEvent, _APPEND, Append, _with_unread, _USEFUL)
decode = _reader.decode
