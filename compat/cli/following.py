"""Long recordings of `transcribe` as jobs in the background, so that their progress can be shown.

Only servers of this project have such jobs, and only for keys with the scope `jobs`; see `JobServer.jobs`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from compat.cli.client import CommandFailed
from compat.openai_api.jobs import NO_JOB, NOWHERE

if TYPE_CHECKING:
    from openai import AsyncOpenAI

POLLED_S: Final = 1.0
PATIENCE_S: Final = 60.0  # for which polls may fail: a job survives a restart of the server
ROUTE: Final = "/audio/transcriptions"
RAW: Final = {"X-Stainless-Raw-Response": "true"}  # asks the openai package for the response itself


class JobLost(CommandFailed):
    """The server has stopped before the job was done: the recording has to be sent again."""


class RawResponse(Protocol):
    """A complete response of the openai package."""

    status_code: int
    text: str
    headers: Mapping[str, str]


class JobServer:
    """What is known about the server of `client`, found out at most once."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client
        self._ours: asyncio.Future[bool] | None = None

    async def jobs(self) -> bool:
        """Return whether the server has background jobs for this client. If in doubt, it has none."""
        if self._ours is None:
            self._ours = asyncio.ensure_future(self._asked())
        return await asyncio.shield(self._ours)

    async def _asked(self) -> bool:
        from openai import NotFoundError, OpenAIError

        try:
            await self._client.with_options(max_retries=0, timeout=10.0).get(f"{ROUTE}/{NOWHERE}", cast_to=object)
        except NotFoundError as exc:
            return isinstance(exc.body, Mapping) and str(exc.body.get("message")).startswith(NO_JOB)
        except OpenAIError:
            return False
        return False


async def result(client: AsyncOpenAI, job: Mapping[str, Any], show: Callable[[Mapping[str, Any]], None]) -> RawResponse:
    """Wait for a job and return the response with its transcript. `show` is called with each state of the job.

    Raises JobLost, CommandFailed if the job ends without one, and OpenAIError if the server refuses, or does not answer
    for PATIENCE_S seconds.
    """
    from openai import APIConnectionError, InternalServerError, NotFoundError

    failing: float | None = None
    while True:
        show(job)
        await asyncio.sleep(POLLED_S)
        try:
            answer = await _state(client, job["id"])
        except (APIConnectionError, InternalServerError):
            failing = failing or time.monotonic()
            if time.monotonic() - failing > PATIENCE_S:
                raise
            continue
        except NotFoundError as exc:  # the jobs were in the memory of another process
            raise JobLost("The server has been restarted and does not know the job any more.") from exc
        failing = None
        state = job_of(answer)
        if state is None:
            return answer
        if answer.status_code != 202:
            error = state.get("error") or {}
            kind = JobLost if error.get("code") == "job_lost" else CommandFailed
            raise kind(f"{error.get('code') or state['status']}: {error.get('message') or 'There is no transcript.'}")
        job = state


async def _state(client: AsyncOpenAI, job_id: str) -> RawResponse:
    patient = client.with_options(max_retries=0, timeout=60.0)
    answer: Any = await patient.get(f"{ROUTE}/{job_id}", cast_to=object, options={"headers": RAW})
    return cast("RawResponse", answer)


def job_of(answer: RawResponse) -> dict[str, Any] | None:
    """Return the job that a response describes, or None if it has a transcript."""
    with contextlib.suppress(ValueError):
        body = json.loads(answer.text)
        if isinstance(body, dict) and body.get("object") == "transcription.job":
            return body
    return None
