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
from compat.openai_api import credentials

Dialect = Literal["beta", "ga"]

_KEY = "openai-insecure-api-key."
_BETA = "openai-beta.realtime-v1"


_INTENTS = ("transcription", "")


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """`subprotocol` is the one to select in the answer; `credential` is None if the client sends none. `model` may come
    from Azure's `deployment`."""

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
        raise BadRequest("Calls are not offered: open a session without call_id.", param="call_id")
    if query.get("intent", "") not in _INTENTS:
        raise BadRequest("intent should be 'transcription': no other kind of session is offered.", param="intent")
    if "translate" in query.get("model", ""):
        raise BadRequest("Live translation is not offered: name a model that transcribes.", param="model")
    beta = "realtime=v1" in headers.get("openai-beta", "").replace(" ", "").split(",") or _BETA in protocols
    return Opening(
        dialect="beta" if beta else "ga",
        transcription=query.get("intent") == "transcription",
        model=query.get("deployment", "").strip() or query.get("model", "").strip() or None,
        credential=credentials.shown([headers.get("authorization", "")], _otherwise(query, headers, protocols)) or None,
        subprotocol="realtime" if "realtime" in protocols else None,
    )


def _otherwise(query: Mapping[str, str], headers: Mapping[str, str], protocols: Sequence[str]) -> str:
    """The key where it is not in Authorization: Azure's clients send `api-key`, in the query where they must."""
    in_protocols = next((name.removeprefix(_KEY) for name in protocols if name.startswith(_KEY)), "")
    return in_protocols or headers.get("api-key", "") or query.get("api-key", "")
