"""The answers of GET /v1/models and /v1/models/{id}."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

CREATED = 1757289600
"""2025-09-08, when qwen3-asr-flash came out: OpenAI's schema wants a time, DashScope tells none."""


class Model(msgspec.Struct, frozen=True):
    id: str
    object: Literal["model"] = "model"
    created: int = CREATED
    owned_by: str = "alibaba-cloud"


class Models(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: tuple[Model, ...]


def one(model_id: str) -> bytes:
    return msgspec.json.encode(Model(model_id))


def listing(ids: Iterable[str]) -> bytes:
    return msgspec.json.encode(Models(data=tuple(map(Model, ids))))
