"""A stub of both services without recognition: OpenAI's transcriptions; DashScope's chat/completions, uploads, tasks.

    python -m benchmarks.servers.service PORT

It reads what comes and answers at once, or, where the environment says so, late: STUB_DELAY seconds for a completion,
STUB_TASK seconds for a task. `GET /stub` tells what was seen. Moments that latencies are counted from are sent as text:
nanoseconds of the machine's monotonic clock, which all its processes share.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import sys
import time
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

PORT = int(sys.argv[1])
ROOT = f"http://127.0.0.1:{PORT}"
DELAY = float(os.environ.get("STUB_DELAY", "0"))
TASK = float(os.environ.get("STUB_TASK", "0"))
STREAMS = re.compile(rb'"stream": ?true')

TRANSCRIPTION = b'{"text":"It was the best of times.","usage":{"type":"duration","seconds":33}}'
COMPLETION = (
    b'{"id":"chatcmpl-stub","object":"chat.completion","created":1,"model":"qwen3-asr-flash","choices":[{"index":0,'
    b'"finish_reason":"stop","message":{"role":"assistant","content":"It was the best of times.","annotations":'
    b'[{"type":"audio_info","language":"en","emotion":"neutral"}]}}],"usage":{"prompt_tokens":820,'
    b'"prompt_tokens_details":{"audio_tokens":820},"completion_tokens":7,"seconds":33,"total_tokens":827}}'
)
POLICY = {
    "policy": "p",
    "signature": "s",
    "upload_dir": "d",
    "upload_host": f"{ROOT}/store",
    "oss_access_key_id": "i",
    "expire_in_seconds": 300,
    "max_file_size_mb": 4096,
}


class Observed:
    """Return the requests per path, the size of the last body, and the times of task queries."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.size = 0
        self.queries: list[float] = []
        self.ends: dict[str, int] = {}
        self.numbers = itertools.count(1)


OBSERVED = Observed()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    path: str = scope["path"]
    size, head, more = 0, b"", True
    while more:
        message = await receive()
        chunk = message.get("body", b"")
        head = head or chunk[:4096]
        size += len(chunk)
        more = message.get("more_body", False)
    if path != "/stub":
        OBSERVED.size = size
        OBSERVED.counts[path] = OBSERVED.counts.get(path, 0) + 1
    match path:
        case "/v1/audio/transcriptions":
            await _answer(send, TRANSCRIPTION)
        case "/compatible-mode/v1/chat/completions" if STREAMS.search(head):
            await _stream(send)
        case "/compatible-mode/v1/chat/completions":
            if DELAY:
                await asyncio.sleep(DELAY)
            await _answer(send, COMPLETION)
        case "/store":
            await _answer(send, b"")
        case _:
            await _answer(send, json.dumps(_told(path)).encode())


def _told(path: str) -> dict[str, Any]:
    name = path.rpartition("/")[2]
    match path:
        case "/stub":
            return {"counts": OBSERVED.counts, "size": OBSERVED.size, "queries": OBSERVED.queries}
        case "/api/v1/uploads":
            return {"request_id": "r", "data": POLICY}
        case "/api/v1/services/audio/asr/transcription":
            task = f"task-{next(OBSERVED.numbers)}"
            OBSERVED.ends[task] = time.perf_counter_ns() + int(TASK * 1e9)
            return {"request_id": "r", "output": {"task_id": task, "task_status": "PENDING"}}
        case _:
            return _of_task(path, name)


def _of_task(path: str, name: str) -> dict[str, Any]:
    if path.startswith("/results/"):
        text = str(OBSERVED.ends[name])
        sentence = {"sentence_id": 0, "begin_time": 0, "end_time": 1000, "text": text, "language": "en"}
        return {"transcripts": [{"channel_id": 0, "text": text, "sentences": [sentence]}]}
    OBSERVED.queries.append(time.perf_counter())
    ended = time.perf_counter_ns() >= OBSERVED.ends[name]
    result = {"result": {"transcription_url": f"{ROOT}/results/{name}"}} if ended else {}
    status = "SUCCEEDED" if ended else "RUNNING"
    return {"request_id": "r", "output": {"task_id": name, "task_status": status, **result}, "usage": {"seconds": 600}}


async def _answer(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Send) -> None:
    """Send the time as the first text; then three more chunks, 5 ms apart."""
    headers = [(b"content-type", b"text/event-stream"), (b"transfer-encoding", b"chunked")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await _chunk(send, [{"index": 0, "delta": {"content": "", "role": "assistant"}, "finish_reason": None}])
    await asyncio.sleep(DELAY or 0.005)
    for word in ("", " best", " of", " times."):
        delta = {"content": word or str(time.perf_counter_ns()), "role": None}
        await _chunk(send, [{"index": 0, "delta": delta, "finish_reason": None}])
        await asyncio.sleep(0.005)
    await _chunk(send, [{"index": 0, "delta": {"role": None}, "finish_reason": "stop"}])
    await _chunk(send, [], usage={"prompt_tokens": 820, "completion_tokens": 7, "seconds": 33, "total_tokens": 827})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def _chunk(send: Send, choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> None:
    envelope = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "qwen3-asr-flash"}
    body = {**envelope, "choices": choices, "usage": usage}
    await send({"type": "http.response.body", "body": f"data: {json.dumps(body)}\n\n".encode(), "more_body": True})


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=PORT, log_level="warning", access_log=False, backlog=2048, timeout_keep_alive=75
    )
