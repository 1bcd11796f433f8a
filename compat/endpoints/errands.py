"""HTTP requests on behalf of a live session."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from compat.bridge.actions import CheckVocabulary, Translate
from compat.config.principal import Principal
from compat.errors import BadRequest, CompatError

log = logging.getLogger("compat.live")
VocabularyCheck: TypeAlias = Callable[[str, str, Principal], Awaitable[object]]
"""Raises BadRequest if a stored vocabulary, by its id, does not fit DashScope's model."""
Translation: TypeAlias = Callable[[str, str, Principal, str, Mapping[str, str], str | None], Awaitable[str]]
"""Returns a text in another language, given by its code, by a model, with some terms and the code of its own language,
if that is known. Raises CompatError."""


PATIENCE = 45.0  # seconds for which a sentence waits for a model that is unavailable
LONGEST_DELAY = 4.0  # seconds between two attempts, unless the refusal names more


class Errands:
    """Performs the requests, with retries for up to `patience` seconds."""

    def __init__(
        self,
        check_vocabulary: VocabularyCheck,
        translate: Translation,
        patience: float = PATIENCE,
        first_delay: float = 0.5,
    ) -> None:
        self._check_vocabulary = check_vocabulary
        self._translate = translate
        self._patience = patience
        self._first_delay = first_delay

    async def check(self, action: CheckVocabulary, principal: Principal) -> CompatError | None:
        """Return the error of a stored vocabulary that does not fit the model. If it cannot be looked up, the session
        keeps using it."""
        try:
            await self._check_vocabulary(action.vocabulary_id, action.model, principal)
        except BadRequest as exc:
            return BadRequest(exc.message, param="session.dashscope.vocabulary_id", code=exc.code)
        except CompatError as exc:
            fields = {"reason": exc.code}
            log.warning("a vocabulary could not be looked up", extra={"fields": fields})
        return None

    async def translate(self, action: Translate, principal: Principal) -> str | CompatError:
        """Return the translation of a sentence, or the error. Retry while the model is unavailable, just as live speech
        waits for a new connection."""
        until, delay = time.monotonic() + self._patience, self._first_delay
        while True:
            try:
                return await self._translate(
                    action.text, action.target, principal, action.model, action.terms, action.source
                )
            except CompatError as exc:
                wait = max(delay, exc.retry_after or 0.0)
                if not exc.retryable or time.monotonic() + wait > until:
                    return exc
            await asyncio.sleep(wait)
            delay = min(2 * delay, LONGEST_DELAY)
