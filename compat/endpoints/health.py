"""GET /healthz: this process answers. GET /readyz: it can work. GET /metrics: what it did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from compat.dashscope_api import filetrans
from compat.endpoints.admission import Admission
from compat.endpoints.auth import Gate
from compat.errors import CompatError, NotAuthenticated, ServiceFailed, ServiceTimedOut, ServiceUnavailable
from compat.observability.metrics import CONTENT_TYPE, Metrics
from compat.upstream.http import Service

FRESH = 10.0  # seconds for which an answer about the service is believed
PATIENCE = 5.0  # seconds for one
NOBODY = "00000000-0000-0000-0000-000000000000"


async def healthz(_: Request) -> Response:
    """It says nothing of DashScope."""
    return JSONResponse({"status": "ok"})


class Readiness:
    def __init__(
        self, door: Admission, *accounts: tuple[Service, str], engine_trouble: Callable[[], str] = lambda: ""
    ) -> None:
        """Accounts of which one is enough, with DashScope's keys; without a key the service is only asked whether it
        is there. `engine_trouble`: why the local engine cannot work, or nothing."""
        self._door = door
        self._engine_trouble = engine_trouble
        self._accounts = accounts
        self._asked = float("-inf")
        self._trouble = ""
        self._asking = asyncio.Lock()

    async def readyz(self, _: Request) -> Response:
        """503 while the server stops and while DashScope cannot be worked with. The reason holds no address."""
        ending = self._door.retiring or self._door.leaving
        trouble = "This server is shutting down." if ending else self._engine_trouble() or await self._service_trouble()
        if trouble:
            return JSONResponse({"status": "not ready", "reason": trouble}, 503)
        return JSONResponse({"status": "ready"})

    async def _service_trouble(self) -> str:
        async with self._asking:
            if time.monotonic() - self._asked >= FRESH:
                self._trouble = await self._ask()
                self._asked = time.monotonic()
        return self._trouble

    async def _ask(self) -> str:
        """The first account's trouble, when there is one with every account."""
        troubles = []
        for service, key in self._accounts:
            troubles.append(await _trouble(service, key))
            if not troubles[-1]:
                return ""
        return troubles[0]


async def _trouble(service: Service, key: str) -> str:
    """Asks for a task that there is not, which costs nothing: the refusal is the sign of life."""
    try:
        async with asyncio.timeout(PATIENCE):
            await service.send(filetrans.query(NOBODY), key)
    except NotAuthenticated:
        return "DashScope refuses the key." if key else ""
    except TimeoutError:
        return "DashScope did not answer in time."
    except (ServiceFailed, ServiceUnavailable, ServiceTimedOut) as exc:
        return exc.message
    except CompatError:
        return ""
    return ""


class Figures:
    def __init__(self, metrics: Metrics, gate: Gate) -> None:
        self._metrics = metrics
        self._gate = gate

    async def metrics(self, request: Request) -> Response:
        """For keys with the scope admin, where keys are asked for."""
        self._gate.caller(request, "admin")
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)
