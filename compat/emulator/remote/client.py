"""The client of another server's `/v1/audio/transcriptions`: the only one that the engine `openai` uses.

It runs on an event loop in a thread of its own, so that many requests wait without a thread each, and any of them can
be cancelled. What a server does not accept (verbose_json, granularities of timestamps, a language, …) is found out at
the first refusal and left out from then on.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import os
import re
import ssl
import struct
import threading
from concurrent.futures import Future
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import msgspec

from compat.emulator.engine import NO_HINTS, EngineTrouble, Hints
from compat.emulator.remote import answers, names, troubles
from compat.emulator.remote.answers import RemoteAnswer
from compat.emulator.sound import BYTES_PER_MS, RATE

MODEL: Final = "whisper-1"  # the usual name, also of servers that have one model and ignore the name
DELAYS: Final = (0.25, 0.5, 1.0)  # seconds between attempts
PATIENT_DELAYS: Final = (*DELAYS, 2.0, 4.0, 8.0, 15.0, 30.0)
SILENCE: Final = bytes(1000 * BYTES_PER_MS)
_SPEECH: Final = re.compile(r"asr|whisper|transcri|sensevoice|paraformer|voxtral|parakeet|canary", re.IGNORECASE)
_ANSWER: Final = 16 << 20  # bytes
_OPTIONAL: Final = ("timestamp_granularities[]", "response_format", "hotwords", "prompt", "language")
_REFUSALS: Final = frozenset({400, 415, 422, 500, 501})  # statuses with which servers refuse a parameter


class RemoteServer(msgspec.Struct, frozen=True, kw_only=True):
    """The server and how it is used. `url` is a base URL, as for OpenAI's packages. Times are in seconds."""

    url: str
    key: str = ""
    model: str = ""
    concurrency: int = 8
    partial_seconds: float = 0.0
    """Of live speech between two requests for its text so far; 0 for none."""
    connect_timeout: float = 5.0
    answer_timeout: float = 300.0
    proxy: str | None = None
    delays: tuple[float, ...] = DELAYS
    """Between attempts."""
    patient_delays: tuple[float, ...] = PATIENT_DELAYS
    """Between those for the later pieces of a file."""

    @property
    def base(self) -> str:
        """The base URL. Its path is `/v1` unless it has another one."""
        url = self.url.strip().rstrip("/").removesuffix("/audio/transcriptions")
        return url if urlsplit(url).path else f"{url}/v1"

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc.rpartition("@")[2]


class RemoteClient:
    """Thread-safe. Nothing is opened before the first request."""

    def __init__(self, server: RemoteServer) -> None:
        self.server = server
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._http: httpx2.AsyncClient | None = None
        self._slots = asyncio.Semaphore(server.concurrency)
        self._model = server.model
        self._refused: set[tuple[str, str]] = set()  # fields with the values that the server refuses
        self.proven = False
        """Whether the server has answered a request with a transcript."""
        self._probe: asyncio.Future[RemoteAnswer] | None = None
        self._answers = False  # whether it has answered the last one so

    def transcribe(self, pcm: bytes, hints: Hints, *, patient: bool = False) -> Future[RemoteAnswer]:
        """Send 16 kHz PCM. The future raises EngineTrouble, and cancels the request when it is cancelled.

        `patient`: wait for a minute, and not for two seconds, for a server that is down or busy.
        """
        return asyncio.run_coroutine_threadsafe(self._transcribe(pcm, hints, patient=patient), self._running())

    @property
    def busy(self) -> bool:
        """Whether another request would wait."""
        return self._slots.locked()

    def models(self) -> Future[list[str]]:
        """Ask for the names of the server's models; none if it does not list them. The future raises EngineTrouble."""
        return asyncio.run_coroutine_threadsafe(self._models(), self._running())

    def check(self) -> Future[None]:
        """Ask for the models, or for a transcript of silence if the last request brought none. The future raises
        EngineTrouble if the server cannot answer requests."""
        return asyncio.run_coroutine_threadsafe(self._check(), self._running())

    async def _check(self) -> None:
        if self._answers:
            await self._models()
            return
        if self._probe is None or self._probe.done():
            self._probe = asyncio.ensure_future(self._attempt(SILENCE, NO_HINTS))
            self._probe.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        await asyncio.shield(self._probe)  # a slow server is asked once, and its answer found by a later check

    def close(self) -> None:
        """Close all connections. Requests that are under way are cancelled."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            asyncio.run_coroutine_threadsafe(self._end(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()

    async def _end(self) -> None:
        own = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not own]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="engine client")
                self._thread.start()
            return self._loop

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            server = self.server
            self._http = httpx2.AsyncClient(
                timeout=httpx2.Timeout(server.answer_timeout, connect=server.connect_timeout),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=server.concurrency),
                headers={"authorization": f"Bearer {server.key}"} if server.key else {},
                follow_redirects=False,
                trust_env=False,
                proxy=server.proxy,
                verify=httpx2.create_ssl_context(trust_env=True),
            )
        return self._http

    async def _transcribe(self, pcm: bytes, hints: Hints, *, patient: bool) -> RemoteAnswer:
        async with self._slots:
            delays = self.server.patient_delays if patient else self.server.delays
            for delay in (*delays, None):
                try:
                    return await self._attempt(pcm, hints)
                except EngineTrouble as exc:
                    self._answers = False
                    if exc.kind in ("Misconfigured", "Timeout") or delay is None:
                        raise
                await asyncio.sleep(delay)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, pcm: bytes, hints: Hints) -> RemoteAnswer:
        """Send the request, and again without what the server refuses. Raises EngineTrouble."""
        fields = self._without(await self._fields(hints), self._refused)
        response = await self._post(pcm, fields)
        dropped: set[tuple[str, str]] = set()
        first = response
        while response.status_code in _REFUSALS and (suspect := _suspect(fields, response, proven=self.proven)):
            dropped |= suspect
            fields = self._without(fields, suspect)
            response = await self._post(pcm, fields)
        if response.status_code != 200:
            raise self._trouble(first if dropped else response)
        self._refused |= dropped
        self.proven = True
        answer = self._read(response)
        self._answers = True
        return answer

    async def _fields(self, hints: Hints) -> dict[str, list[str]]:
        language = names.known_code(hints.language) if hints.language else ""
        given = {
            "model": [await self._named()],
            "response_format": ["verbose_json"],
            "timestamp_granularities[]": ["word", "segment"] if hints.timed else ["segment"],
            "temperature": ["0"],
            "language": [language],
            "prompt": ["\n".join(filter(None, (hints.context, ", ".join(hints.words))))],
            "hotwords": [",".join(hints.words)],
        }
        return {name: values for name, values in given.items() if any(values)}

    @staticmethod
    def _without(fields: dict[str, list[str]], refused: set[tuple[str, str]]) -> dict[str, list[str]]:
        kept = {
            name: [value for value in values if (name, value) not in refused and (name, "") not in refused]
            for name, values in fields.items()
        }
        if ("response_format", "verbose_json") in refused:
            kept |= {"response_format": ["json"], "timestamp_granularities[]": []}
        return {name: values for name, values in kept.items() if values}

    async def _named(self) -> str:
        """Return the model's name: the given one, or the one that the server has for speech."""
        if not self._model:
            models = await self._models()
            speech = [model for model in models if _SPEECH.search(model)]
            if MODEL in models:
                self._model = MODEL
            elif len(speech or models) > 1:
                raise troubles.no_model(self.server.host, speech or models)
            else:
                self._model = (speech or models or [MODEL])[0]
        return self._model

    async def _models(self) -> list[str]:
        response = await self._send("GET", "/models")
        if response.status_code in (401, 403):
            raise self._trouble(response)
        found = _decoded(response) if response.status_code == 200 else None
        listed = found.get("data") if isinstance(found, dict) else None
        rows = listed if isinstance(listed, list) else []
        return [row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]

    async def _post(self, pcm: bytes, fields: dict[str, list[str]]) -> httpx2.Response:
        return await self._send(
            "POST", "/audio/transcriptions", data=fields, files={"file": ("audio.wav", _wav(pcm), "audio/wav")}
        )

    async def _send(self, method: str, path: str, **content: Any) -> httpx2.Response:  # noqa: ANN401 - httpx2's own
        host = self.server.host
        try:
            return await self._client().request(method, self.server.base + path, **content)
        except (httpx2.ConnectError, httpx2.ProxyError) as exc:
            raise troubles.unreachable(host, _reason(exc)) from exc
        except httpx2.ConnectTimeout as exc:
            raise troubles.unreachable(host, f"no connection within {self.server.connect_timeout:g} s") from exc
        except httpx2.TimeoutException as exc:
            raise troubles.timed_out(host, self.server.answer_timeout) from exc
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as exc:
            raise EngineTrouble("Misconfigured", f"COMPAT_ENGINE_URL is not an address: {exc}.") from exc
        except httpx2.HTTPError as exc:
            raise troubles.broken(host) from exc

    def _trouble(self, response: httpx2.Response) -> EngineTrouble:
        message = answers.problem(_decoded(response))
        if response.status_code == 401 and not self.server.key:
            return troubles.no_key(self.server.host)
        return troubles.of_status(
            self.server.host, response.status_code, message, response.headers, model=self._model or MODEL
        )

    def _read(self, response: httpx2.Response) -> RemoteAnswer:
        """Return the transcript. Raises EngineTrouble for anything else with the status 200."""
        body = _decoded(response)
        if isinstance(body, dict):
            answer = answers.of_json(body)
            if answer is not None:
                return answer
            if message := answers.problem(body):  # whisper.cpp reports errors with the status 200
                raise EngineTrouble("Misconfigured", f"The engine at {self.server.host} refuses the request: {message}")
        elif isinstance(body, str):
            return answers.of_text(body)
        elif response.headers.get("content-type", "").startswith("text/plain"):
            return answers.of_text(response.text)
        raise troubles.unreadable(self.server.host, response.headers.get("content-type", ""))


def _suspect(fields: dict[str, list[str]], response: httpx2.Response, *, proven: bool) -> set[tuple[str, str]]:
    """Return the field that a refusal may be about: the one that it names, or the next that can be left out.

    `proven`: the server has answered before, so a status of 500 or more is an ordinary failure.
    """
    if response.status_code >= 500 and proven:
        return set()
    if troubles.model_missing(response.status_code, answers.problem(_decoded(response)), fields["model"][0]):
        return set()
    message = response.text[:2000].lower()
    found = [name for name in _OPTIONAL if name in fields and fields[name] != ["json"]]
    named = [name for name in found if name.removesuffix("[]") in message]
    if "response_format" in found and ("verbose_json" in message or "format" in message):
        named.insert(0, "response_format")
    for name in [*named, *found]:
        if name == "timestamp_granularities[]":
            return {(name, "word")} if "word" in fields[name] else {(name, "")}
        return {(name, fields[name][0] if name in ("response_format", "language") else "")}
    return set()


def _decoded(response: httpx2.Response) -> object:
    """Return the JSON in a response, None if there is none. A byte order mark, and NaN as Python's json writes it, are
    accepted."""
    if len(response.content) > _ANSWER:
        return None
    try:
        decoded: object = json.loads(response.content.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError):
        return None
    return decoded


def _reason(exc: BaseException) -> str:
    """Return the system's reason for a failed connection, without the address."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS (http in place of https?)"
        if isinstance(cause, OSError) and cause.errno:
            named = os.strerror(cause.errno) if cause.errno > 0 else None
            return (named or cause.strerror or "no connection").lower()
        cause = cause.__cause__ or cause.__context__
    return str(exc) or "no connection"


def _wav(pcm: bytes) -> bytes:
    form = struct.pack("<IHHIIHH", 16, 1, 1, RATE, RATE * 2, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + len(pcm)) + b"WAVEfmt " + form + b"data" + struct.pack("<I", len(pcm))
    return head + pcm
