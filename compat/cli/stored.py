"""Where `vocabulary` finds stored vocabularies: in DashScope itself, or through a server with an admin key."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from compat.catalogue.vocabularies import HotWord
from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.openai_api import vocabularies as public
from compat.transcription.vocabularies import Vocabularies
from compat.upstream.http import Service

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PATH = "/dashscope/vocabularies"


class Stored(Protocol):
    """The vocabularies of an account, as JSON's types in the shape of `openai_api.vocabularies`."""

    async def list_all(self, prefix: str) -> list[dict[str, Any]]: ...
    async def create(self, model: str, prefix: str, words: Sequence[HotWord]) -> dict[str, Any]: ...
    async def get(self, vocabulary_id: str) -> dict[str, Any]: ...
    async def update(self, vocabulary_id: str, words: Sequence[HotWord]) -> dict[str, Any]: ...
    async def delete(self, vocabulary_id: str) -> None: ...


class InDashScope:
    """Every method may raise any CompatError."""

    def __init__(self, vocabularies: Vocabularies, principal: Principal) -> None:
        self._vocabularies = vocabularies
        self._principal = principal

    async def list_all(self, prefix: str) -> list[dict[str, Any]]:
        listed = await self._vocabularies.list_all(self._principal, prefix)
        return [public.shown(each) for each in await self._vocabularies.targeted(listed, self._principal)]

    async def create(self, model: str, prefix: str, words: Sequence[HotWord]) -> dict[str, Any]:
        return public.shown(await self._vocabularies.create(model, prefix, words, self._principal))

    async def get(self, vocabulary_id: str) -> dict[str, Any]:
        return public.shown(await self._vocabularies.get(vocabulary_id, self._principal))

    async def update(self, vocabulary_id: str, words: Sequence[HotWord]) -> dict[str, Any]:
        return public.shown(await self._vocabularies.update(vocabulary_id, words, self._principal))

    async def delete(self, vocabulary_id: str) -> None:
        await self._vocabularies.delete(vocabulary_id, self._principal)


@contextlib.asynccontextmanager
async def in_dashscope(settings: Settings, key: str) -> AsyncIterator[InDashScope]:
    """Yield the vocabularies of the account with this key. Raises SettingsError."""
    service = Service(
        settings.root,
        connect_timeout=settings.connect_timeout,
        answer_timeout=settings.answer_timeout,
        attempts=settings.attempts,
    )
    try:
        yield InDashScope(Vocabularies(service, settings.every_alias, family=settings.model_family), Principal(key))
    finally:
        await service.close()


def _path(vocabulary_id: str) -> str:
    return f"{PATH}/{quote(vocabulary_id, safe='')}"


class AtServer:
    """Every method may raise the errors of the openai package."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    async def list_all(self, prefix: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query = {"limit": str(public.MOST), **({"prefix": prefix} if prefix else {})}
        while True:
            page = await self._client.get(PATH, cast_to=dict[str, Any], options={"params": query})
            found += page["data"]
            if not page["has_more"]:
                return found
            query["after"] = page["last_id"]

    async def create(self, model: str, prefix: str, words: Sequence[HotWord]) -> dict[str, Any]:
        body = {"target_model": model, "prefix": prefix, "vocabulary": [word.plain() for word in words]}
        return await self._client.post(PATH, cast_to=dict[str, Any], body=body, options={"max_retries": 0})

    async def get(self, vocabulary_id: str) -> dict[str, Any]:
        return await self._client.get(_path(vocabulary_id), cast_to=dict[str, Any])

    async def update(self, vocabulary_id: str, words: Sequence[HotWord]) -> dict[str, Any]:
        body = {"vocabulary": [word.plain() for word in words]}
        return await self._client.post(_path(vocabulary_id), cast_to=dict[str, Any], body=body)

    async def delete(self, vocabulary_id: str) -> None:
        await self._client.delete(_path(vocabulary_id), cast_to=dict[str, Any])
