"""What a live session has done beside it: a sentence waits for a service that is away for a moment."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from compat.bridge.actions import Translate
from compat.config.principal import Principal
from compat.endpoints.errands import Errands
from compat.errors import (
    BadRequest,
    CircuitOpen,
    CompatError,
    QuotaExceeded,
    RateLimited,
    ServiceTimedOut,
    ServiceUnavailable,
)

SENTENCE = Translate("sentence_1", "Good morning.", "es", "qwen-mt-flash", {"morning": "días"}, "en")
AWAY = CircuitOpen("DashScope has failed too often lately (chat).", retry_after=0.001)


class Answers:
    """A model of Qwen-MT that refuses the first calls."""

    def __init__(self, *refusals: CompatError) -> None:
        self.left = list(refusals)

    async def translate(
        self, text: str, target: str, principal: Principal, model: str, terms: Mapping[str, str], source: str | None
    ) -> str:
        assert Translate(SENTENCE.ticket, text, target, model, dict(terms), source) == SENTENCE
        assert principal.key == "sk-own"
        if self.left:
            raise self.left.pop(0)
        return "Buenos días."


async def unused(*asked: object) -> None:
    raise AssertionError(asked)


async def result(answers: Answers, patience: float = 45.0) -> str | CompatError:
    errands = Errands(unused, answers.translate, patience=patience, first_delay=0.001)
    return await errands.translate(SENTENCE, Principal("sk-own"))


@pytest.mark.parametrize(
    "refusal", [AWAY, ServiceUnavailable("down"), ServiceTimedOut("hangs"), RateLimited("slow down")]
)
@pytest.mark.parametrize("times", [1, 4])
async def test_a_sentence_is_translated_once_the_model_is_available_again(refusal: CompatError, times: int) -> None:
    assert await result(Answers(*[refusal] * times)) == "Buenos días."


@pytest.mark.parametrize("refusal", [BadRequest("no"), QuotaExceeded("no money")])
async def test_a_permanent_refusal_is_returned_at_once(refusal: CompatError) -> None:
    answers = Answers(refusal, AWAY)

    assert await result(answers) is refusal
    assert answers.left == [AWAY]


async def test_a_model_that_stays_unavailable_is_an_error() -> None:
    assert await result(Answers(*[AWAY] * 1000), patience=0.0) is AWAY
