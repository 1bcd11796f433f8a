"""DashScope's chat/completions without any recognition: reads the request, answers at once. For measuring only."""

from __future__ import annotations

import sys

import uvicorn
from starlette.types import Receive, Scope, Send

ANSWER = (
    b'{"id":"chatcmpl-stub","object":"chat.completion","created":1,"model":"qwen3-asr-flash","choices":[{"index":0,'
    b'"finish_reason":"stop","message":{"role":"assistant","content":"It was the best of times.","annotations":'
    b'[{"type":"audio_info","language":"en","emotion":"neutral"}]}}],"usage":{"prompt_tokens":820,'
    b'"prompt_tokens_details":{"audio_tokens":820},"completion_tokens":7,"seconds":33,"total_tokens":827}}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
