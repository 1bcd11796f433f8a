"""Opening of a realtime session: parameters from the query, the headers and the WebSocket subprotocols.

As observed in OpenAI's clients in 2026 (openai-python, openai-node, agents SDKs, browsers), the API key is sent in
`Authorization`. Browsers cannot set headers and send the subprotocol `openai-insecure-api-key.<key>` in addition to
`realtime`. The beta dialect is selected by the header `OpenAI-Beta: realtime=v1` or the subprotocol
`openai-beta.realtime-v1`. Only beta clients with `intent=transcription` use the event names `transcription_session.*`.
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
    """The parameters of a session.

    `subprotocol` is the one to select in the handshake response. `credential` is the API key, None if the client sends
    none. `model` may be the name of an Azure deployment.
    """

    dialect: Dialect = "ga"
    transcription: bool = True
    model: str | None = None
    credential: str | None = None
    subprotocol: str | None = None

    @property
    def beta_names(self) -> bool:
        """Whether the client expects `transcription_session.*` instead of `session.*`."""
        return self.dialect == "beta" and self.transcription


def opening(query: Mapping[str, str], headers: Mapping[str, str], protocols: Sequence[str]) -> Opening:
    """Return the parameters of a session.

    Names in `headers` are in lower case, as in ASGI; `protocols` are in the order sent. Raises BadRequest if the client
    asks for anything but a transcription session.
    """
    if query.get("intent", "") not in _INTENTS:
        elsewhere = "live translation is at /v1/realtime/translations" if query["intent"] == "translation" else None
        reason = elsewhere or "no other kind of session is offered"
        raise BadRequest(f"intent should be 'transcription': {reason}.", param="intent")
    if "translate" in query.get("model", ""):
        raise BadRequest(
            "Live translation is at /v1/realtime/translations; here, name a model that transcribes.", param="model"
        )
    beta = "realtime=v1" in headers.get("openai-beta", "").replace(" ", "").split(",") or _BETA in protocols
    return Opening(
        dialect="beta" if beta else "ga",
        transcription=query.get("intent") == "transcription",
        model=query.get("deployment", "").strip() or query.get("model", "").strip() or None,
        credential=credentials.key_shown([headers.get("authorization", "")], _other_key(query, headers, protocols))
        or None,
        subprotocol="realtime" if "realtime" in protocols else None,
    )


def translating(query: Mapping[str, str], headers: Mapping[str, str], protocols: Sequence[str]) -> Opening:
    """Return the parameters of a session of /v1/realtime/translations. It has no `intent` and needs a `model`, unless a
    client secret names it."""
    if query.get("intent"):
        raise BadRequest("A translation session takes no intent.", param="intent")
    if query.get("call_id"):
        raise BadRequest("To join a call, connect to /v1/realtime with its call_id.", param="call_id")
    return Opening(
        model=query.get("deployment", "").strip() or query.get("model", "").strip() or None,
        credential=credentials.key_shown([headers.get("authorization", "")], _other_key(query, headers, protocols))
        or None,
        subprotocol="realtime" if "realtime" in protocols else None,
    )


def _other_key(query: Mapping[str, str], headers: Mapping[str, str], protocols: Sequence[str]) -> str:
    """Return the key from a subprotocol or from Azure's `api-key`, a header or, in browsers, a query parameter."""
    in_protocols = next((name.removeprefix(_KEY) for name in protocols if name.startswith(_KEY)), "")
    return in_protocols or headers.get("api-key", "") or query.get("api-key", "")
