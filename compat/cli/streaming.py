"""`transcribe --stream`: print the text of recordings, one after the other, while it is recognised."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from compat.cli import client as server
from compat.cli import running
from compat.cli.outputs import OutputPiece, Wanted, put
from compat.cli.report import Report, unread
from compat.cli.uploads import decoded, fetch, fields, missing

if TYPE_CHECKING:
    from openai import AsyncOpenAI


def stream(client: AsyncOpenAI, pieces: Sequence[OutputPiece], wanted: Wanted, report: Report) -> None:
    """Print the texts on standard output as they come, and write them to their files at the end."""

    async def all_of_them() -> None:
        async with client:
            for piece in pieces:
                try:
                    await _one(client, piece, wanted, report)
                except BrokenPipeError:
                    unread()
                except server.failures() as exc:
                    report.streamed("")
                    report.finished(piece, "failed", server.reason(exc, str(client.base_url)))

    running.run(all_of_them())


async def _one(client: AsyncOpenAI, piece: OutputPiece, wanted: Wanted, report: Report) -> None:
    await fetch(piece, report)
    text = ""
    with piece.source.open("rb") as file:
        create = client.audio.transcriptions.with_streaming_response.create
        async with create(**fields(piece, wanted, file), stream=True) as answer:
            headers = answer.headers
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                text = _plain(await answer.text())  # the server does not stream with this model
                report.streamed(text)
            else:
                async for delta in _deltas(answer.iter_lines()):
                    text += delta
                    report.streamed(delta)
    report.streamed("")
    if piece.target is not None:
        put(piece, [text], force=wanted.force)
    report.ignored(headers.get("x-compat-ignored", ""))
    report.finished(piece, "done", seconds=decoded(headers), missing=missing(headers))


def _plain(body: str) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    return str(answer["text"]) if isinstance(answer, dict) and "text" in answer else body


async def _deltas(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield the text of the events. Raises CommandFailed for an error event, and for a stream without an end."""
    async for line in lines:
        if not line.startswith("data:"):
            continue
        try:
            event = msgspec.json.decode(line.removeprefix("data:"), type=dict[str, Any])
        except msgspec.DecodeError as exc:
            raise server.CommandFailed("The stream has an event that is not JSON.") from exc
        if error := event.get("error"):
            raise server.CommandFailed(f"{error.get('code')}: {error.get('message')}")
        if event.get("type") == "transcript.text.delta":
            yield event["delta"]
        elif event.get("type") == "transcript.text.done":
            return
    raise server.CommandFailed("The stream ended early.")
