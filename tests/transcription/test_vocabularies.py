"""Stored vocabularies through the emulator: the check that a list fits a model, and how often it is looked up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from compat.catalogue.vocabularies import HotWord
from compat.config.principal import Principal
from compat.emulator.app import create_app
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Faults, Refuse, Rule
from compat.emulator.readings import Readings
from compat.emulator.state import Emulator, Limits
from compat.errors import BadRequest, CompatError, NotFound, ServiceFailed
from compat.transcription.vocabularies import FRESH, Vocabularies
from compat.upstream.http import Service
from tests.servers import serve

ALICE, EVE = Principal("sk-alice"), Principal("sk-eve")
WORDS = [HotWord("Qwen", 5)]


@dataclass
class Peer:
    vocabularies: Vocabularies
    emulator: Emulator
    now: list[float] = field(default_factory=lambda: [0.0])

    @property
    def calls(self) -> int:
        return self.emulator.counts["vocabulary"]

    async def made(self, model: str = "fun-asr", principal: Principal = ALICE) -> str:
        return (await self.vocabularies.create(model, "books", WORDS, principal)).id


@contextlib.asynccontextmanager
async def peer(
    *, limits: Limits | None = None, readings: Readings | None = None, clock: Callable[[], float] = time.time
) -> AsyncIterator[Peer]:
    now = [0.0]
    app = create_app(Scripted(()), limits=limits, readings=readings, clock=clock)
    with serve(app) as root:
        service = Service(root, connect_timeout=5, answer_timeout=10, attempts=1)
        aliases = {"mine": "fun-asr"}
        yield Peer(Vocabularies(service, aliases, clock=lambda: now[0]), app.state.emulator, now)
        await service.close()


async def test_a_list_of_another_model_is_refused_because_the_service_would_ignore_it() -> None:
    async with peer() as service:
        made = await service.made("mine")
        await service.vocabularies.check(made, "fun-asr", ALICE)
        for model in ("paraformer-v2", "fun-asr-2025-11-07", "qwen-audio-3.1-asr-flash"):
            with pytest.raises(BadRequest, match=f"is for fun-asr; DashScope would ignore it with {model}") as refused:
                await service.vocabularies.check(made, model, ALICE)
            assert "vocabulary_id" == refused.value.param


async def test_an_unknown_list_is_refused_and_so_is_one_of_another_account() -> None:
    async with peer() as service:
        made = await service.made()
        for vocabulary_id, principal in (("vocab-books-0", ALICE), (made, EVE)):
            with pytest.raises(BadRequest, match="There is no vocabulary") as refused:
                await service.vocabularies.check(vocabulary_id, "fun-asr", principal)
            assert "vocabulary_id" == refused.value.param


async def test_a_list_that_the_service_cannot_use_yet_is_refused_each_time() -> None:
    async with peer(readings=Readings(vocabulary_status="UNDEPLOYED")) as service:
        made = await service.made()
        for _ in range(2):
            with pytest.raises(BadRequest, match="has the status UNDEPLOYED") as refused:
                await service.vocabularies.check(made, "fun-asr", ALICE)
            assert "vocabulary_id" == refused.value.param
        assert 4 == service.calls  # create, query, and two look-ups


async def test_a_list_is_looked_up_once_a_minute_for_each_account_however_many_requests_use_it() -> None:
    async with peer() as service:
        mine, hers = await service.made(), await service.made(principal=EVE)
        before = service.calls
        await asyncio.gather(*(service.vocabularies.check(mine, "fun-asr", ALICE) for _ in range(20)))
        await service.vocabularies.check(hers, "fun-asr", EVE)
        assert before + 2 == service.calls

        service.now[0] += FRESH
        await service.vocabularies.check(mine, "fun-asr", ALICE)
        assert before + 3 == service.calls


async def test_an_older_result_is_used_while_the_service_fails() -> None:
    async with peer() as service:
        made = await service.made()
        await service.vocabularies.check(made, "fun-asr", ALICE)
        service.now[0] += FRESH
        service.emulator.faults.arm(Faults((Rule("vocabulary", Refuse(500, "InternalError"), times=None),)))

        await service.vocabularies.check(made, "fun-asr", ALICE)
        with pytest.raises(ServiceFailed):
            await service.vocabularies.check("vocab-books-0", "fun-asr", ALICE)


async def test_a_caller_that_gives_up_does_not_end_the_look_up_of_others() -> None:
    async with peer() as service:
        made = await service.made()
        first = asyncio.ensure_future(service.vocabularies.check(made, "fun-asr", ALICE))
        other = asyncio.ensure_future(service.vocabularies.check(made, "fun-asr", ALICE))
        await asyncio.sleep(0)
        first.cancel()

        await other
        assert first.cancelled()


async def test_a_deleted_list_is_refused_at_once() -> None:
    async with peer() as service:
        made = await service.made()
        await service.vocabularies.check(made, "fun-asr", ALICE)
        await service.vocabularies.delete(made, ALICE)

        with pytest.raises(BadRequest):
            await service.vocabularies.check(made, "fun-asr", ALICE)
        with pytest.raises(NotFound):
            await service.vocabularies.delete(made, ALICE)


async def test_all_pages_are_listed_newest_first() -> None:
    times = iter(range(10**9, 2 * 10**9))
    async with peer(limits=Limits(vocabularies=30), clock=lambda: float(next(times))) as service:
        made = [await service.made() for _ in range(21)]
        listed = await service.vocabularies.list_all(ALICE)
        found = await service.vocabularies.targeted(listed[:3], ALICE)

        assert made[::-1] == [each.id for each in listed]
        assert [(each, "fun-asr") for each in made[:-4:-1]] == [(each.id, each.target_model) for each in found]
        assert [] == await service.vocabularies.list_all(ALICE, "films")
        assert [] == await service.vocabularies.list_all(EVE)


async def test_words_are_replaced_and_checked_for_the_list_s_model() -> None:
    async with peer() as service:
        made = await service.made()
        changed = await service.vocabularies.update(made, [HotWord("Ada"), HotWord("Eve", 1)], ALICE)

        assert (HotWord("Ada"), HotWord("Eve", 1)) == changed.words
        with pytest.raises(BadRequest) as refused:
            await service.vocabularies.update(made, [HotWord("Ada", 50)], ALICE)
        assert "vocabulary[0].weight" == refused.value.param


async def test_the_id_of_a_new_list_is_returned_even_if_the_service_does_not_describe_it() -> None:
    async with peer() as service:
        service.emulator.faults.arm(Faults((Rule("vocabulary", Refuse(500, "InternalError"), nth=2),)))
        made = await service.vocabularies.create("fun-asr", "books", WORDS, ALICE)

        assert ("fun-asr", tuple(WORDS), None) == (made.target_model, made.words, made.status)
        assert made.id == (await service.vocabularies.get(made.id, ALICE)).id


async def test_invalid_lists_do_not_reach_the_service() -> None:
    async with peer() as service:
        for model, prefix, words in (
            ("whisper-1", "books", WORDS),
            ("fun-asr", "Books", WORDS),
            ("fun-asr", "books", []),
        ):
            with pytest.raises(CompatError):
                await service.vocabularies.create(model, prefix, words, ALICE)
        assert 0 == service.calls
