"""How a caller opens a realtime session: everything that the query, the headers and the subprotocols say.

Seen in OpenAI's clients of 2026 (openai-python, openai-node, agents SDKs, browsers): the key stands in `Authorization`
or, where headers cannot be set, in the subprotocol `openai-insecure-api-key.<key>` beside `realtime`. The beta dialect
announces itself by the header `OpenAI-Beta: realtime=v1` or the subprotocol `openai-beta.realtime-v1`; nothing else
does. The names `transcription_session.*` belong to beta callers who also ask for `intent=transcription`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from compat.errors import BadRequest

Dialect = Literal["beta", "ga"]

_KEY = "openai-insecure-api-key."
_BETA = "openai-beta.realtime-v1"


_INTENTS = ("transcription", "")


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """`subprotocol` is the one to select in the answer; `credential` is None where the caller shows none."""

    dialect: Dialect = "ga"
    transcription: bool = True
    model: str | None = None
    credential: str | None = None
    subprotocol: str | None = None

    @property
    def beta_names(self) -> bool:
        """Whether this caller knows `transcription_session.*` instead of `session.*`."""
        return self.dialect == "beta" and self.transcription


def opening(query: Mapping[str, str], headers: Mapping[str, str], protocols: Sequence[str]) -> Opening:
    """`headers` in lower case, as ASGI gives them; `protocols` in the caller's order. Raises BadRequest for a session
    of another kind."""
    if query.get("call_id"):
        raise BadRequest("There are no calls here: open a session without call_id.", param="call_id")
    if query.get("intent", "") not in _INTENTS:
        raise BadRequest("The intent of a session is 'transcription': nothing else is done here.", param="intent")
    if "translate" in query.get("model", ""):
        raise BadRequest("Live translation is not available here; a session transcribes.", param="model")
    beta = "realtime=v1" in headers.get("openai-beta", "").replace(" ", "").split(",") or _BETA in protocols
    return Opening(
        dialect="beta" if beta else "ga",
        transcription=query.get("intent") == "transcription",
        model=query.get("model", "").strip() or None,
        credential=_bearer(headers.get("authorization", "")) or _from_protocols(protocols),
        subprotocol="realtime" if "realtime" in protocols else None,
    )


def _bearer(header: str) -> str | None:
    scheme, _, key = header.partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def _from_protocols(protocols: Sequence[str]) -> str | None:
    return next((name.removeprefix(_KEY) for name in protocols if name.startswith(_KEY) and name != _KEY), None)
