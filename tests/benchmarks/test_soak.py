"""The soak's control requests are retried until they succeed, even on a slow machine."""

from __future__ import annotations

import contextlib

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.soak import Control
from compat.emulator.faults import Hang, Rule
from tests.servers import serve


async def test_a_request_without_a_response_is_retried() -> None:
    asked: list[bytes] = []

    async def arm(request: Request) -> Response:
        asked.append(await request.body())
        while len(asked) == 1:  # until the client disconnects
            if (await request.receive())["type"] == "http.disconnect":
                break
        return Response(status_code=204)

    with serve(Starlette(routes=[Route("/emulator/faults", arm, methods=["POST"])])) as root:
        async with contextlib.aclosing(Control(timeout=0.5)) as control:
            await control.arm(root, [Rule("chat", Hang())])

    assert len(asked) >= 2
    assert {b'[{"surface":"chat","fault":{"type":"hang","seconds":null},"nth":1,"times":1}]'} == set(asked)
