"""The answers of GET /v1/models and /v1/models/{id}."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

CREATED = 1757289600
"""2025-09-08, when qwen3-asr-flash came out: OpenAI's schema wants a time, DashScope tells none."""


class ModelObject(msgspec.Struct, frozen=True):
    id: str
    object: Literal["model"] = "model"
    created: int = CREATED
    owned_by: str = "alibaba-cloud"


class Engine(msgspec.Struct, frozen=True):
    """A demo on the server's machine, which answers in DashScope's place whatever the model."""

    engine: str
    languages: tuple[str, ...] = ("en",)


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: tuple[ModelObject, ...]
    dashscope: Engine | msgspec.UnsetType = msgspec.UNSET


def one(model_id: str) -> bytes:
    return msgspec.json.encode(ModelObject(model_id))


def listing(ids: Iterable[str], engine: str = "") -> bytes:
    """`engine`: what answers in DashScope's place."""
    found = ModelList(data=tuple(map(ModelObject, ids)), dashscope=Engine(engine) if engine else msgspec.UNSET)
    return msgspec.json.encode(found)
