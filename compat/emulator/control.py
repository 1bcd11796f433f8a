"""What a test in another process sees and sets, under /emulator/: faults, counts, requests. No key is asked for."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from compat.emulator.faults import Faults, Rule
from compat.emulator.refusals import json_response
from compat.emulator.state import Emulator
from compat.emulator.surface import UNDECODABLE


def routes(emulator: Emulator) -> list[Route]:
    async def arm(request: Request) -> Response:
        """A JSON list of rules replaces those before; an empty one ends all faults."""
        try:
            rules = msgspec.json.decode(await request.body(), type=tuple[Rule, ...])
        except UNDECODABLE as exc:
            return json_response({"message": str(exc)}, 400)
        emulator.faults.arm(Faults(rules))
        return Response(status_code=204)

    async def counts(_: Request) -> Response:
        """How often each surface was called."""
        return json_response(emulator.counts)

    async def requests(_: Request) -> Response:
        """The shape of the last requests, oldest first."""
        return json_response(list(emulator.requests))

    async def sessions(_: Request) -> Response:
        """What is known of the last live sessions, oldest first; without their sound."""
        return json_response([record.told() for record in emulator.live.sessions])

    async def reset(_: Request) -> Response:
        """Forgets counts and requests, and ends all faults."""
        emulator.counts.clear()
        emulator.requests.clear()
        emulator.live.clear()
        emulator.faults.arm(Faults())
        return Response(status_code=204)

    return [
        Route("/emulator/faults", arm, methods=["POST"]),
        Route("/emulator/counts", counts, methods=["GET"]),
        Route("/emulator/requests", requests, methods=["GET"]),
        Route("/emulator/sessions", sessions, methods=["GET"]),
        Route("/emulator/reset", reset, methods=["POST"]),
    ]
