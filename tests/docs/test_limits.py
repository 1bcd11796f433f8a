"""The limits in docs/run/limits.md equal those in the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from python_multipart.multipart import DEFAULT_MAX_HEADER_COUNT, DEFAULT_MAX_HEADER_SIZE
from websockets.http11 import MAX_LINE_LENGTH

from compat.audio.worker import MEMORY, Worker
from compat.bridge import intake
from compat.bridge.limits import TICKS_A_MS, SessionLimits
from compat.catalogue import biasing, nesting
from compat.catalogue import vocabularies as lists
from compat.config import keys
from compat.config.settings import Settings
from compat.dashscope_api import sse
from compat.dashscope_api.live.live_translate import LiveTranslate
from compat.endpoints import bodies, calls, client_secrets, live_session, multipart, vocabularies
from compat.endpoints.live_session import Bounds
from compat.jobs import janitor, transitions
from compat.observability import logs
from compat.openai_api import context, fields, secrets
from compat.openai_api.realtime import reader
from compat.openai_api.translations import session
from compat.server import connections, http, memory, run, websocket
from compat.transcription import recogniser, spool
from compat.upstream import http as upstream
from compat.upstream import parsing
from compat.webrtc import peer, voice

PAGE = (Path(__file__).parent.parent.parent / "docs" / "run" / "limits.md").read_text()
BOUNDS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE))
SET = Settings()
READING = inspect.signature(Worker).parameters
CODE = {
    "the head of a request": f"{http.HEAD >> 10} KiB, {http.HEADERS} headers",
    "the time for a TLS handshake": f"`COMPAT_HEAD_TIMEOUT`, {SET.head_timeout:g} s",
    "the time for a head": f"`COMPAT_HEAD_TIMEOUT`, {SET.head_timeout:g} s",
    "the time between a response and the next request": f"`COMPAT_KEEP_ALIVE`, {SET.keep_alive:g} s",
    "the rate of a body": f"{http.SLOWEST} bytes a second over `COMPAT_BODY_TIMEOUT`, {SET.body_timeout:g} s",
    "trailers and chunk headers of a body": f"{http.HEAD >> 10} KiB in a row",
    "connections at a time": f"`COMPAT_MAX_CONNECTIONS`, {connections.USUAL} or (open files − {connections.OWN}) / 2 "
    "if that is less; half of them from one address that is no trusted proxy's",
    "the rest of a body when the server stops": f"{http.STOPPING_TIMEOUT:g} s",
    "the rest of a body after an early response": f"{http.DRAIN:g} s, {http.DRAINED >> 20} MiB with the "
    "chunks' headers",
    "body chunks handled in one turn of the event loop": f"{http.CHUNKS}, and those in the rest of "
    f"{http.HEAD_BLOCK >> 10} KiB",
    "pipelined requests of a connection": f"those in {http.HEAD_BLOCK >> 10} KiB",
    "a response that the client does not read": f"{http.READ_TIMEOUT:g} s without progress, "
    f"{http.STOPPING_TIMEOUT:g} s when the server stops",
    "an upload": f"`COMPAT_MAX_UPLOAD`, {SET.max_upload >> 30} GiB",
    "a form's parts": f"{multipart.MOST_PARTS}, with {DEFAULT_MAX_HEADER_COUNT} headers of "
    f"{DEFAULT_MAX_HEADER_SIZE >> 10} KiB each",
    "semicolons in a Content-Type, or in a Content-Disposition of a form": f"{multipart.MOST_PARAMETERS}",
    "text before a form's first part": f"{multipart.PREAMBLE >> 10} KiB",
    "a JSON or URL-encoded body, with `url`": f"{bodies.LARGEST >> 20} MiB",
    "values in such a body, and percent-encoded bytes in a URL-encoded one or in a data URL": f"{bodies.MOST:,} and "
    f"{bodies.MOST_ESCAPES:,}",
    "a form's text fields": f"{multipart.LONGEST_FIELD >> 20} MiB each, {multipart.ALL_FIELDS >> 20} MiB together",
    "all text fields together, excluding voice samples": f"{fields.MOST_TEXT:,} characters",
    "prompt and keywords": f"about {context.TOKENS:,} tokens",
    "the length of audio": f"`COMPAT_MAX_DURATION`, {SET.max_duration / 3600:g} h",
    "the audio of a key": f"{' and '.join(f'`{bound}`' for bound in re.findall(r'audio=[^,]+', keys.EXAMPLE))} in the "
    "[key file](spending.md#bounds)",
    "reading a file": f"{READING['seconds'].default} s, {MEMORY >> 30} GiB of memory",
    "nesting levels of JSON": f"{nesting.DEEPEST} where the value is stored, otherwise the parser's stack (about 900)",
    "a session's configuration over HTTP": f"{client_secrets.LARGEST >> 10} KiB",
    "a stored vocabulary over HTTP": f"{vocabularies.LARGEST >> 20} MiB",
    "words of a stored vocabulary": f"{lists.max_words('fun-asr')}; {lists.max_words('paraformer-v2')} for "
    f"`paraformer` and dated versions of `fun-asr`; {lists.MOST_SUPER} of them with the weight {lists.SUPER}",
    "a word of a stored vocabulary": f"{biasing.MOST_PARTS} parts separated by spaces; {biasing.LONGEST_WORD} "
    "characters if it is not ASCII",
    "a client secret": f"{secrets.LONGEST} characters",
    "a line of a WebSocket's handshake": f"{MAX_LINE_LENGTH} bytes",
    "a live event other than an append": f"{reader.LONGEST:,} characters",
    "a frame of live speech": f"{run.LARGEST_FRAME >> 20} MiB",
    f"the time for a live message of more than {memory.FREE >> 10} KiB": f"{websocket.WebSocketProtocol.whole:g} s",
    f"audio without a transcript beyond {live_session.SOUND >> 20} MiB (32 KB a second) of each session, and live "
    f"messages of more than {memory.FREE >> 10} KiB": (
        f"`COMPAT_MAX_LIVE_MEMORY`, {SET.max_live_memory >> 30} GiB, shared the same way"
    ),
    "audio of one live session without a transcript": f"{Bounds().sound >> 20} MiB, over an hour",
    "phrases of a live translation": f"{session.MOST_PHRASES:,}",
    "the audio of one connection to LiveTranslate": f"{(LiveTranslate.rules.longest or 0) / 60:g} min",
    "a packet of Opus": f"{intake.LONGEST_PACKET // TICKS_A_MS} ms, {intake.OPUS_FRAME} bytes a frame",
    "frames of live speech handled in one turn of the event loop": f"{websocket.FRAMES}, and those in the rest of "
    f"{websocket.BLOCK >> 10} KiB",
    "audio that waits for the service": f"{SessionLimits().unsent:g} s, {SessionLimits().unsent * 0.032:g} MB; "
    f"{Bounds().eager // 32_000} s while less than half of the client's share of `COMPAT_MAX_LIVE_MEMORY` is free",
    "output of the service that a live client does not read": f"{Bounds().ahead >> 10} KiB, {Bounds().unread:g} s",
    "answers to its own events that a live client does not read": f"{Bounds().backlog >> 20} MiB",
    "the final output of a live session": f"{websocket.WebSocketProtocol.ending:g} s in which its client reads and "
    f"sends nothing, {websocket.WebSocketProtocol.whole / 60:g} min in all",
    "answers to what was said before `session.close`, or before the bound of a key": f"{SessionLimits().patience:g} s, "
    "or `COMPAT_GRACE` if it is longer, without a new one, after DashScope has heard all of it",
    "a live client that does not answer pings": f"{run.PONG:g} s in which the server reads from it, and no long "
    "message arrives",
    "calls by WebRTC that are not connected": f"{calls.PENDING}, half of them of one client; "
    f"each {peer.CONNECTING:g} s",
    "voice of a translated call that waits to be played": f"{voice.MOST} s",
    "a live session": f"`COMPAT_MAX_SESSION`, {SET.max_session / 3600:g} h",
    "requests, sessions and long jobs at a time, bytes of uploads": "`COMPAT_MAX_REQUESTS`, `COMPAT_MAX_SESSIONS`, "
    f"`COMPAT_MAX_JOBS`, `COMPAT_MAX_SPOOL`: {SET.max_requests}, {SET.max_sessions}, {SET.max_jobs:,}, "
    f"{SET.max_spool >> 30} GiB; requests and sessions are scaled down to fewer connections",
    "background requests with different formats that share a job, and webhooks of a job": f"{transitions.MOST_VIEWS}",
    "one client's share of these, with several clients": "as much as is still free: half for one, a third each for two",
    "webhook calls in progress": f"{janitor.LANES}, shared the same way",
    "uploads in memory": f"`COMPAT_MAX_UPLOAD_MEMORY`, {SET.max_upload_memory >> 20} MiB, shared the same way; "
    f"{spool.SMALL >> 20} MiB each",
    "text fields of all requests in progress": f"{spool.TEXT >> 20} MiB, shared the same way",
    "requests at a time to the server at `COMPAT_ENGINE_URL`": f"`COMPAT_ENGINE_CONCURRENCY`, {SET.engine_concurrency}",
    "files of the local engine, in addition to uploads": f"`COMPAT_MAX_SPOOL`, {SET.max_spool >> 30} GiB",
    "one client's files that are measured or re-encoded at a time": f"`COMPAT_MEDIA_WORKERS`, {SET.media_workers}, and "
    f"as many of more than {recogniser.LARGE >> 20} MiB or {recogniser.LONG / 60:g} min",
    "log entries waiting to be written": f"{logs.WAITING:,}",
    "one client's files that are cut into pieces at a time": f"`COMPAT_MEDIA_WORKERS`, {SET.media_workers}",
    "a response of DashScope": f"{upstream.ANSWER >> 20} MiB, {upstream.RESULT >> 20} MiB for a result file or a "
    f"stream, {sse.LARGEST >> 20} MiB for an event of a stream, {parsing.FRAMING >> 10} KiB for its head",
    "the wait for a free slot": f"`COMPAT_QUEUE_WAIT`, {SET.queue_wait:g} s",
}


def test_every_limit_is_checked() -> None:
    assert set(CODE) == set(BOUNDS) - {"what", "---"}


@pytest.mark.parametrize("what", CODE)
def test_a_limit_on_the_page_equals_the_code_s(what: str) -> None:
    assert CODE[what] == BOUNDS[what]
