"""Stored vocabularies of an account: list, create, get, update, delete, and check that one fits a model."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from compat.catalogue import vocabularies as rules
from compat.catalogue.vocabularies import HotWord, Vocabulary
from compat.config.keys import hashed
from compat.config.parsers import Family
from compat.config.principal import Principal
from compat.dashscope_api import vocabularies as wire
from compat.errors import BadRequest, CompatError, NotFound, ServiceFailed, ServiceTimedOut
from compat.upstream.http import Service

FRESH: Final = 60.0  # seconds for which a list that was looked up is reused
KEPT: Final = 1000  # lists that are remembered
MOST_PAGES: Final = 100
AT_ONCE: Final = 5  # lists that one request looks up at a time


class PerhapsStored(ServiceFailed):
    """The service may have stored a new list although its response was lost. An account has few lists, so the client
    should not repeat the request on its own."""

    retryable = False


class _Remembered(msgspec.Struct, frozen=True):
    vocabulary: Vocabulary
    until: float


@contextlib.contextmanager
def _known(vocabulary_id: str) -> Iterator[None]:
    """Give the service's NotFound a message that names the vocabulary."""
    try:
        yield
    except NotFound as exc:
        raise NotFound(f"There is no vocabulary {vocabulary_id[:80]!r} in this DashScope account.") from exc


class Vocabularies:
    """The vocabularies of the accounts behind `service`. Every method may raise any CompatError.

    Words are neither logged nor kept: only target and status of a list are remembered, for FRESH seconds.
    """

    def __init__(
        self,
        service: Service,
        aliases: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
        family: Family = "qwen3-asr",
    ) -> None:
        self._service = service
        self._aliases = aliases
        self._family = family
        self._clock = clock
        self._known: dict[tuple[bytes, str], _Remembered] = {}
        self._looking: dict[tuple[bytes, str], asyncio.Future[Vocabulary]] = {}

    async def check(self, vocabulary_id: str, model: str, principal: Principal) -> Vocabulary:
        """Return a list, without its words. Raises BadRequest, with the param `vocabulary_id`, if the service would
        ignore it with this model.

        `model` is DashScope's id. The list must exist in the principal's account, be made for this model and be usable.
        """
        try:
            found = await self._found(vocabulary_id, principal)
        except (NotFound, BadRequest) as exc:
            raise BadRequest(exc.message, param="vocabulary_id") from exc
        if (found.target_model or "").lower() != model:
            raise BadRequest(
                f"The vocabulary {vocabulary_id[:80]} is for {found.target_model}; DashScope would ignore it with "
                f"{model}. Use that model, or create a vocabulary for {model}.",
                param="vocabulary_id",
            )
        if found.status != rules.USABLE:
            raise BadRequest(
                f"The vocabulary {vocabulary_id[:80]} has the status {found.status}, with which DashScope ignores it.",
                param="vocabulary_id",
            )
        return found

    async def list_all(self, principal: Principal, prefix: str = "") -> list[Vocabulary]:
        """Return the account's vocabularies, newest first, without words and targets."""
        if prefix:
            rules.check_prefix(prefix)
        found: dict[str, Vocabulary] = {}
        for index in range(MOST_PAGES):
            page = wire.listed(await self._service.send(wire.page(prefix, index), principal))
            before = len(found)
            found |= {each.id: each for each in page}
            if len(page) < wire.PAGE or len(found) == before:
                break
        return sorted(found.values(), key=lambda each: each.created or 0, reverse=True)

    async def targeted(self, listed: Iterable[Vocabulary], principal: Principal) -> list[Vocabulary]:
        """Return the vocabularies with their targets. Those deleted in the meantime are left out."""
        free = asyncio.Semaphore(AT_ONCE)

        async def one(each: Vocabulary) -> Vocabulary | None:
            async with free:
                try:
                    found = await self._found(each.id, principal)
                except NotFound:
                    return None
            return msgspec.structs.replace(each, target_model=found.target_model)

        return [each for each in await asyncio.gather(*map(one, listed)) if each is not None]

    async def create(
        self, target_model: str, prefix: str, words: Iterable[HotWord], principal: Principal
    ) -> Vocabulary:
        """Store a list for a model, which may be named by an alias. Return it with its words."""
        model = rules.target(target_model, self._aliases, self._family)
        rules.check_prefix(prefix)
        checked = rules.checked(words, model)
        try:
            made = wire.created(await self._service.send(wire.create(model, prefix, checked), principal))
        except (ServiceFailed, ServiceTimedOut) as exc:
            raise PerhapsStored(
                f"{exc.message} The vocabulary may be stored: look before you create it again."
            ) from exc
        return await self._shown(Vocabulary(id=made, target_model=model, words=checked), principal)

    async def get(self, vocabulary_id: str, principal: Principal) -> Vocabulary:
        """Return a vocabulary with its words. Raises NotFound."""
        with _known(vocabulary_id):
            return wire.queried(vocabulary_id, await self._service.send(wire.query(vocabulary_id), principal))

    async def update(self, vocabulary_id: str, words: Iterable[HotWord], principal: Principal) -> Vocabulary:
        """Replace the words of a vocabulary and return it. Raises NotFound."""
        before = await self.get(vocabulary_id, principal)
        checked = rules.checked(words, before.target_model or "")
        with _known(vocabulary_id):
            wire.check(await self._service.send(wire.update(vocabulary_id, checked), principal))
        self._forget(vocabulary_id, principal)
        return await self._shown(msgspec.structs.replace(before, words=checked, modified=None), principal)

    async def delete(self, vocabulary_id: str, principal: Principal) -> None:
        """Delete a vocabulary. Raises NotFound."""
        with _known(vocabulary_id):
            wire.check(await self._service.send(wire.delete(vocabulary_id), principal))
        self._forget(vocabulary_id, principal)

    async def _shown(self, stored: Vocabulary, principal: Principal) -> Vocabulary:
        """Return a stored list as the service reports it, or `stored` if it does not: the id must not be lost."""
        try:
            return await self.get(stored.id, principal)
        except CompatError:
            return stored

    async def _found(self, vocabulary_id: str, principal: Principal) -> Vocabulary:
        """Return a list without its words, looked up at most once in FRESH seconds. Simultaneous callers share a
        look-up. While the service fails, an older result is used."""
        key = (hashed(principal.key), vocabulary_id)
        known = self._known.get(key)
        if known and self._clock() < known.until:
            return known.vocabulary
        looking = self._looking.get(key)
        if looking is None:
            looking = self._looking[key] = asyncio.ensure_future(self._look_up(key, principal))
            looking.add_done_callback(lambda ended: self._looked_up(key, ended))
        try:
            return await asyncio.shield(looking)
        except CompatError as exc:
            if known and exc.retryable:
                return known.vocabulary
            raise

    async def _look_up(self, key: tuple[bytes, str], principal: Principal) -> Vocabulary:
        found = msgspec.structs.replace(await self.get(key[1], principal), words=None)
        if not found.target_model:
            raise ServiceFailed("DashScope's response does not say which model the vocabulary is for.")
        if found.status == rules.USABLE:  # the status of another may change at any time
            self._known.pop(key, None)
            self._known[key] = _Remembered(found, self._clock() + FRESH)
            if len(self._known) > KEPT:
                del self._known[next(iter(self._known))]
        return found

    def _looked_up(self, key: tuple[bytes, str], ended: asyncio.Future[Vocabulary]) -> None:
        del self._looking[key]
        if not ended.cancelled():
            ended.exception()  # nobody may have waited for it

    def _forget(self, vocabulary_id: str, principal: Principal) -> None:
        self._known.pop((hashed(principal.key), vocabulary_id), None)
