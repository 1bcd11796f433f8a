"""GET /healthz: liveness. GET /readyz: readiness, including DashScope. GET /metrics: Prometheus metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from compat.config.principal import Principal
from compat.dashscope_api import filetrans
from compat.endpoints.admission import Admission
from compat.endpoints.auth import Gate
from compat.endpoints.not_found import unknown
from compat.errors import CompatError, NotAuthenticated, ServiceFailed, ServiceTimedOut, ServiceUnavailable
from compat.observability.metrics import CONTENT_TYPE, Metrics
from compat.upstream.http import Service

FRESH = 10.0  # seconds for which the result of a check is reused
PATIENCE = 5.0  # seconds, the timeout of a check
PATH = b"/metrics"
NOBODY = "00000000-0000-0000-0000-000000000000"


async def healthz(_: Request) -> Response:
    """Return 200. The state of DashScope does not matter."""
    return JSONResponse({"status": "ok"})


class Readiness:
    def __init__(
        self, admission: Admission, *accounts: tuple[Service, str], engine_trouble: Callable[[], str] = lambda: ""
    ) -> None:
        """`accounts` are services with their DashScope keys; the server is ready if one of them works. Without a key,
        the check only tests that the service can be reached. `engine_trouble` returns why the local engine cannot work,
        or ""."""
        self._admission = admission
        self._engine_trouble = engine_trouble
        self._accounts = accounts
        self._checked_at = float("-inf")
        self._trouble = ""
        self._checking = asyncio.Lock()

    async def readyz(self, _: Request) -> Response:
        """Return 503 during shutdown and while DashScope is unavailable. The reason contains no address."""
        ending = self._admission.ending
        trouble = "This server is shutting down." if ending else self._engine_trouble() or await self._service_trouble()
        if trouble:
            return JSONResponse({"status": "not ready", "reason": trouble}, 503)
        return JSONResponse({"status": "ready"})

    async def _service_trouble(self) -> str:
        async with self._checking:
            if time.monotonic() - self._checked_at >= FRESH:
                self._trouble = await self._check()
                self._checked_at = time.monotonic()
        return self._trouble

    async def _check(self) -> str:
        """Return the first account's trouble if every account has one, else an empty string."""
        troubles = []
        for service, key in self._accounts:
            troubles.append(await _trouble(service, key))
            if not troubles[-1]:
                return ""
        return troubles[0]


async def _trouble(service: Service, key: str) -> str:
    """Query a task that does not exist, which is free. Any regular error response shows that the service works."""
    try:
        async with asyncio.timeout(PATIENCE):
            await service.send(filetrans.query(NOBODY), Principal(key))
    except NotAuthenticated:
        return "DashScope rejects the key." if key else ""
    except TimeoutError:
        return f"No answer within {PATIENCE:g} s."
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
        """Return the metrics. On a server with keys, the key needs the scope admin.

        A proxy that hides /metrics compares the path as sent. Other spellings of the path therefore lead to a 404, and
        so does X-Forwarded-Prefix, which a proxy may forward from its client.
        """
        if request.scope["raw_path"] != PATH:
            raise unknown(request.method, request.url.path, request.state.sent)
        self._gate.caller(request, "admin")
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)
