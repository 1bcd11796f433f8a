"""Client events of `/v1/realtime/translations` and their decoder (openai-python 3.57, RealtimeTranslation…Event).

A client sends audio and then `session.close`. What was said before that is still translated.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from compat.openai_api.realtime import client_events as realtime
from compat.openai_api.realtime.reader import Reader
from compat.openai_api.translations.session import TranslationPatch

_APPEND: Final = "session.input_audio_buffer.append"


class TranslationUpdate(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="session.update"):
    event_id: str | None = None
    session: TranslationPatch


class TranslationAppend(realtime.Append, frozen=True, kw_only=True, tag=_APPEND):
    """Mono 16-bit PCM at 24 kHz."""


class TranslationClose(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="session.close"):
    event_id: str | None = None


ClientEvent: TypeAlias = TranslationUpdate | TranslationAppend | TranslationClose


def _with_unread(event: ClientEvent, raw: str | bytes) -> ClientEvent:
    """Add the names of unknown session fields to an update."""
    if not isinstance(event, TranslationUpdate):
        return event
    return msgspec.structs.replace(event, session=event.session.with_unread(msgspec.json.decode(raw)["session"]))


_USEFUL: Final = ("session.update", _APPEND, "session.close")
_reader = Reader(ClientEvent, _APPEND, TranslationAppend, _with_unread, _USEFUL)
decode = _reader.decode
