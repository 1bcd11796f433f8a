"""A server with `/v1/audio/transcriptions`, as other people's look from outside, on a real port."""

from __future__ import annotations

import contextlib
import io
import wave
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from compat.emulator.engine import Engine, Word
from compat.emulator.engines.openai import OpenAI
from compat.emulator.engines.tones import Tones
from compat.emulator.remote.client import RemoteServer
from tests.running import running_server
from tests.servers import serve


class Received(msgspec.Struct, frozen=True):
    """A request: its fields, each with all its values, its audio and its key."""

    fields: dict[str, list[str]]
    pcm: bytes
    key: str

    @property
    def words(self) -> tuple[Word, ...]:
        """The tone-coded words of the audio."""
        return tuple(word for sentence in Tones().recognise([self.pcm]) for word in sentence.words)

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


Answer = Callable[[Received], Response]


class Recogniser:
    """The requests to a server. `url` is its base URL; `models` are the names that it lists, None for no list.
    `refuses`: it lists them for no key."""

    def __init__(self, answer: Answer, models: list[str] | None) -> None:
        self.answer = answer
        self.models = models
        self.received: list[Received] = []
        self.refuses = False
        self.url = ""

    async def transcriptions(self, request: Request) -> Response:
        async with request.form() as form:
            upload = form["file"]
            assert isinstance(upload, UploadFile)
            with wave.open(io.BytesIO(await upload.read())) as file:
                assert (1, 2, 16_000) == (file.getnchannels(), file.getsampwidth(), file.getframerate())
                pcm = file.readframes(file.getnframes())
            received = Received(_fields(form), pcm, request.headers.get("authorization", ""))
        self.received.append(received)
        return await run_in_threadpool(self.answer, received)

    async def listed(self, _: Request) -> Response:
        if self.refuses:
            return JSONResponse({"error": {"message": "bad key"}}, 401)
        if self.models is None:
            return PlainTextResponse("Not Found", 404)
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})


def _fields(form: FormData) -> dict[str, list[str]]:
    return {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form if name != "file"}


@contextlib.contextmanager
def recogniser(answer: Answer, models: list[str] | None = None) -> Iterator[Recogniser]:
    made = Recogniser(answer, models)
    routes = [
        Route("/v1/audio/transcriptions", made.transcriptions, methods=["POST"]),
        Route("/v1/models", made.listed),
    ]
    with serve(Starlette(routes=routes)) as root:
        made.url = f"{root}/v1"
        yield made


def whisper(asked: Received) -> Response:
    """Answer as faster-whisper and OpenAI do: one segment, and the words without their punctuation."""
    words = asked.words
    if not words:
        return JSONResponse({"task": "transcribe", "language": "english", "text": "", "segments": [], "words": []})
    text = " ".join(word.text for word in words)
    seconds = [{"word": w.text, "start": w.begin_ms / 1000, "end": w.end_ms / 1000} for w in words]
    segment = {"id": 0, "start": seconds[0]["start"], "end": seconds[-1]["end"], "text": f" {text}"}
    body = {"task": "transcribe", "language": "english", "duration": len(asked.pcm) / 32_000, "text": text}
    return JSONResponse(body | {"segments": [segment], "words": seconds})


def vllm(asked: Received) -> Response:
    """Answer as vLLM does for Qwen3-ASR: no times."""
    if asked.fields["response_format"] == ["verbose_json"]:
        message = "Currently do not support verbose_json for Qwen/Qwen3-ASR-1.7B"
        return JSONResponse({"error": {"message": message, "type": "BadRequestError", "code": 400}}, 400)
    return JSONResponse({"text": asked.text, "usage": {"type": "duration", "seconds": 1}})


@contextlib.contextmanager
def asking(engine: Engine, how: str) -> Iterator[Engine]:
    """Yield the engine (`how` is "here"), or the engine `openai`: with words of tones over HTTP ("words"), or with this
    project's own server with the engine behind it ("server")."""
    if how == "here":
        yield engine
    elif how == "words":
        with recogniser(whisper) as served, contextlib.closing(OpenAI(RemoteServer(url=served.url))) as engine:
            yield engine
    else:
        with (
            running_server(engine) as server,
            contextlib.closing(OpenAI(RemoteServer(url=server.base_url))) as engine,
        ):
            yield engine


def body(**members: Any) -> Answer:  # noqa: ANN401 - JSON
    """Answer everything with a JSON object."""
    return lambda _: JSONResponse(members)
