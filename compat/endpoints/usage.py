"""GET /v1/dashscope/usage: audio and money spent, by day, key and model.

A key needs the scope admin. With COMPAT_PASS_KEY each client sees its own usage, and no other.
"""

from __future__ import annotations

import time

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from compat.endpoints.auth import Gate
from compat.openai_api import spending as public
from compat.spending.accounting import Accounting


class UsageEndpoint:
    def __init__(self, gate: Gate, accounting: Accounting) -> None:
        self._gate = gate
        self._accounting = accounting

    async def usage(self, request: Request) -> Response:
        """Return a page of usage. Raises CompatError."""
        own = self._gate.passes_keys
        principal = self._gate.caller(request, "rest" if own else "admin")
        await self._gate.admit(request, principal)
        query = public.query(request.query_params.multi_items(), time.time())
        if own:
            query = msgspec.structs.replace(query, clients=(principal.account,))
        return JSONResponse(public.body(query, await self._accounting.spent(query.first, query.page_end)))
