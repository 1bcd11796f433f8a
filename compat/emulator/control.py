"""Test routes under /emulator/: faults, counts, recorded requests and sessions. They need no API key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from compat.emulator.faults import Faults, Rule
from compat.emulator.refusals import json_response
from compat.emulator.state import Emulator, RequestRecord
from compat.emulator.surface import UNDECODABLE, ApiCall, own_headers


def routes(emulator: Emulator) -> list[Route]:
    async def arm(request: Request) -> Response:
        """Replace all fault rules with a JSON list; an empty list removes them."""
        try:
            rules = msgspec.json.decode(await request.body(), type=tuple[Rule, ...])
        except UNDECODABLE as exc:
            return json_response({"message": str(exc)}, 400)
        emulator.faults.arm(Faults(rules))
        return Response(status_code=204)

    async def counts(_: Request) -> Response:
        """Return the number of calls of each surface."""
        return json_response(emulator.counts)

    async def requests(_: Request) -> Response:
        """Return the recorded requests, oldest first."""
        return json_response(list(emulator.requests))

    async def sessions(_: Request) -> Response:
        """Return the recorded live sessions, oldest first, without their audio."""
        return json_response([record.summary() for record in emulator.live.sessions])

    async def reset(_: Request) -> Response:
        """Clear counts, requests and sessions, and remove all faults."""
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


def describe_chat(call: ApiCall) -> RequestRecord:
    """Return the record of a request. Parameters are all members of the body except model and messages."""
    body = _object(call.body)
    rest = {name: value for name, value in body.items() if name not in {"model", "messages"}}
    return _record(call, rest, _list(body.get("messages")))


def describe_native(call: ApiCall) -> RequestRecord:
    """Return the record of a request. Parameters are those of `parameters` and all other members at the top level."""
    body = _object(call.body)
    rest = {name: value for name, value in body.items() if name not in {"model", "input", "parameters"}}
    given = _object(body.get("input"))
    audio = next((_kind(address) for address in _addresses(given)), None)
    messages = _list(given.get("messages")) or _list(given.get("context"))
    return _record(call, rest | _object(body.get("parameters")), messages, audio)


def _kind(address: str) -> str:
    """Return `data:<mime>`, or the scheme of the address."""
    if address.startswith("data:"):
        return address[:100].partition(";")[0].partition(",")[0]
    scheme, colon, _ = address[:20].partition(":")
    return scheme if colon else "other"


def _record(call: ApiCall, parameters: dict[str, Any], messages: list[Any], audio: str | None = None) -> RequestRecord:
    context: list[str] = []
    for _, part in _parts(messages):
        address = part.get("audio") or _object(part.get("input_audio")).get("data")
        if isinstance(address, str):
            audio = _kind(address)
        if isinstance(part.get("text"), str):
            context.append(part["text"])
    return RequestRecord(
        surface=call.surface,
        model=str(_object(call.body).get("model", "")),
        parameters=parameters,
        headers=own_headers(call.request),
        audio=audio,
        context="\n".join(context) or None,
    )


def _parts(messages: list[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    for message in map(_object, messages):
        content = message.get("content")
        for part in content if isinstance(content, list) else [{"text": content}]:
            yield message.get("role"), _object(part)


def _addresses(given: dict[str, Any]) -> Iterator[str]:
    for address in [given.get("file_url"), *_list(given.get("file_urls"))]:
        if isinstance(address, str):
            yield address


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
