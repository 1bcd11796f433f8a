"""Work: one upload, ready to be transcribed."""

from __future__ import annotations

import msgspec

from compat.config.principal import Principal
from compat.transcript import Ask, Request
from compat.transcription.spool import Reserve, unbounded


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One upload, ready for DashScope, on behalf of `principal`.

    `ignored` names the request's parameters that have no effect. `fit` is the size in bytes that the audio still has to
    be re-encoded to, and `reserve` counts the bytes that this takes on disk.
    """

    ask: Ask
    request: Request
    ignored: tuple[str, ...]
    principal: Principal
    fit: int | None = None
    reserve: Reserve = unbounded
