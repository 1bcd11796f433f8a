"""Response bodies of GET /v1/models and /v1/models/{id}."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from compat import languages

CREATED = 1757289600
"""2025-09-08, the release of qwen3-asr-flash. OpenAI's schema requires a time; DashScope does not report one."""


class ModelObject(msgspec.Struct, frozen=True):
    id: str
    object: Literal["model"] = "model"
    created: int = CREATED
    owned_by: str = "alibaba-cloud"


class Engine(msgspec.Struct, frozen=True):
    """The engine that replaces DashScope for every model. `languages` is absent if they are not known."""

    engine: str
    languages: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: tuple[ModelObject, ...]
    dashscope: Engine | msgspec.UnsetType = msgspec.UNSET


def one(model_id: str) -> bytes:
    """Return a model as JSON."""
    return msgspec.json.encode(ModelObject(model_id))


def listing(ids: Iterable[str], engine: str = "") -> bytes:
    """Return the list of models as JSON. `engine` names the engine that replaces DashScope, if any."""
    spoken = languages.ENGINES.get(engine)
    used = Engine(engine, tuple(sorted(spoken)) if spoken else msgspec.UNSET)
    models = ModelList(data=tuple(map(ModelObject, ids)), dashscope=used if engine else msgspec.UNSET)
    return msgspec.json.encode(models)
