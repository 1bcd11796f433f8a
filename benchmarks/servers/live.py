"""A stub of DashScope's live socket without recognition: it accepts all audio and answers each commit at once.

python -m benchmarks.servers.live PORT
"""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

NUMBERS = itertools.count(1)
LETTERS = 80  # of a message: enough to tell what it is


def _event(kind: str, **more: object) -> str:
    return json.dumps({"event_id": f"event_{next(NUMBERS)}", "type": kind, **more})


def _committed() -> list[str]:
    item = f"item_{next(NUMBERS)}"
    told: dict[str, Any] = {"id": item, "object": "realtime.item", "type": "message", "status": "completed"}
    text = {"transcript": "It was the best of times.", "language": "en", "emotion": "neutral", "content_index": 0}
    return [
        _event("input_audio_buffer.committed", previous_item_id=None, item_id=item),
        _event("conversation.item.created", previous_item_id=None, item={**told, "role": "user", "content": []}),
        _event("conversation.item.input_audio_transcription.completed", item_id=item, **text),
    ]


def _answers(said: str) -> list[str]:
    kind = said[:LETTERS]
    if "input_audio_buffer.append" in kind:
        return []
    if "input_audio_buffer.commit" in kind:
        return _committed()
    if "session.finish" in kind:
        return [_event("session.finished")]
    return [_event("session.updated", session=json.loads(said)["session"])]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    session = {"id": f"sess_{next(NUMBERS)}", "object": "realtime.session", "model": "qwen3-asr-flash-realtime"}
    await send({"type": "websocket.send", "text": _event("session.created", session=session)})
    while (message := await receive())["type"] == "websocket.receive":
        for event in _answers(message["text"]):
            await send({"type": "websocket.send", "text": event})


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        backlog=2048,
    )
