"""A stub of DashScope's live sockets without recognition: it accepts all audio and answers each turn at once. A voice,
if it is asked for, is as long as the audio.

python -m benchmarks.servers.live PORT
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import sys
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

NUMBERS = itertools.count(1)
LETTERS = 80  # of a message: enough to tell what it is
SECOND = 32_000 * 4 // 3  # letters of base64 in a second of audio at 16 kHz
VOICE = base64.b64encode(os.urandom(4800)).decode()  # a tenth of a second at 24 kHz


def _event(kind: str, **more: object) -> str:
    return json.dumps({"event_id": f"event_{next(NUMBERS)}", "type": kind, **more})


def _committed() -> list[str]:
    item = f"item_{next(NUMBERS)}"
    item_object: dict[str, Any] = {"id": item, "object": "realtime.item", "type": "message", "status": "completed"}
    text = {"transcript": "It was the best of times.", "language": "en", "emotion": "neutral", "content_index": 0}
    return [
        _event("input_audio_buffer.committed", previous_item_id=None, item_id=item),
        _event("conversation.item.created", previous_item_id=None, item={**item_object, "role": "user", "content": []}),
        _event("conversation.item.input_audio_transcription.completed", item_id=item, **text),
    ]


def _task_event(event: str, task_id: str, payload: dict[str, Any]) -> str:
    return json.dumps({"header": {"task_id": task_id, "event": event, "attributes": {}}, "payload": payload})


def _task_answers(frame: str) -> list[str]:
    """The events that answer an action of the run-task protocol."""
    header = json.loads(frame)["header"]
    task_id = header["task_id"]
    if header["action"] == "run-task":
        return [_task_event("task-started", task_id, {})]
    word = {"begin_time": 170, "end_time": 920, "text": "It was the best of times", "punctuation": "."}
    sentence = {"sentence_id": 1, "begin_time": 170, "end_time": 920, "text": "It was the best of times."}
    output = {"sentence": {**sentence, "words": [word], "sentence_end": True, "heartbeat": False}}
    return [
        _task_event("result-generated", task_id, {"output": output, "usage": {"duration": 2}}),
        _task_event("task-finished", task_id, {"output": {}, "usage": None}),
    ]


class Voice:
    """The voice of one session, in tenths of a second."""

    def __init__(self) -> None:
        self._turn: dict[str, str] = {}
        self._letters = 0

    def begin(self, session: dict[str, Any]) -> list[str]:
        if "audio" not in session.get("modalities", ()):
            return []
        item = f"item_{next(NUMBERS)}"
        self._turn = {"response_id": f"resp_{item}", "item_id": f"voice_{item}", "previous_item_id": item}
        return [_event("input_audio_buffer.speech_started", item_id=item, audio_start_ms=0)]

    def follow(self, frame: str) -> list[str]:
        if not self._turn:
            return []
        self._letters += len(frame) - LETTERS
        due, self._letters = divmod(10 * self._letters, SECOND)
        self._letters //= 10
        return [_event("response.audio.delta", **self._turn, delta=VOICE) for _ in range(due)]


def _answers(frame: str, voice: Voice) -> list[str]:
    kind = frame[:LETTERS]
    if "input_audio_buffer.append" in kind:
        return voice.follow(frame)
    if "input_audio_buffer.commit" in kind:
        return _committed()
    if "session.finish" in kind:
        return [_event("session.finished")]
    session = json.loads(frame)["session"]
    return [_event("session.updated", session=session), *voice.begin(session)]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"].endswith("/inference"):
        await _tasks(receive, send)
        return
    session = {"id": f"sess_{next(NUMBERS)}", "object": "realtime.session", "model": "qwen3-asr-flash-realtime"}
    await send({"type": "websocket.send", "text": _event("session.created", session=session)})
    voice = Voice()
    while (message := await receive())["type"] == "websocket.receive":
        for event in _answers(message["text"], voice):
            await send({"type": "websocket.send", "text": event})


async def _tasks(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        for event in _task_answers(message["text"]) if message.get("text") else ():
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
