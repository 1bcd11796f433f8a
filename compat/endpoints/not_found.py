"""Unknown paths: a 404 that names the path that was probably meant, or the part of OpenAI's API that is absent here."""

from __future__ import annotations

import re
import uuid

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match, Route
from starlette.websockets import WebSocket

from compat.errors import BadRequest, CompatError, MethodNotAllowed, NotFound

ABSENT = {  # beginnings of paths below /v1, and what each is for
    "/audio/speech": "speech synthesis",
    "/audio/voices": "voices",
    "/audio/voice_consents": "voices",
    "/realtime/calls": "calls by WebRTC and SIP",
    "/realtime/sessions": "voice conversations",
    "/realtime/translations": "live translation",
    "/chat/completions": "chat",
    "/completions": "text completion",
    "/responses": "model responses",
    "/conversations": "model responses",
    "/embeddings": "embeddings",
    "/moderations": "moderation",
    "/images": "images",
    "/videos": "videos",
    "/files": "stored files",
    "/uploads": "stored files",
    "/batches": "batches",
    "/vector_stores": "vector stores",
    "/assistants": "assistants",
    "/threads": "assistants",
    "/fine_tuning": "fine-tuning",
    "/evals": "evaluations",
    "/containers": "containers",
    "/organization": "administration",
}


def absent(path: str) -> str | None:
    """What an unsupported path of OpenAI's API is for; None for any other path."""
    below = path.removeprefix("/v1")
    return next((what for start, what in ABSENT.items() if f"{below}/".startswith(f"{start}/")), None)


_THERE = r"/(?:audio/(?:transcriptions|translations)|models|realtime(?:/client_secrets|/transcription_sessions)?)"
THERE = re.compile(rf".*({_THERE}(?:/(?!audio/|models|realtime)[^/]+)?)/*")
# What other servers and typing errors make of the two: whisper.cpp's /inference, whisper-asr-webservice's /asr
_NEAR = re.compile(
    r"(/api)?(/v\d+)*(/audio)*/((?P<translation>translat(e|ions?))|transcri(be|ptions?)|inference|asr|stt|speech-to-text)"
)
_NO_DEPLOYMENT = re.compile(r"/+openai/+deployments/+audio/+(transcriptions|translations)/*")


def methods(request: Request) -> str:
    """The methods that the request's path has, for the header Allow."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    there = [route.methods or set() for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted(set().union(*there)))


def error(request: Request, exc: Exception) -> CompatError:
    """What Starlette's own refusal is here."""
    if isinstance(exc, HTTPException) and exc.status_code == 405:
        return MethodNotAllowed(
            f"{request.method} is not allowed on {request.state.sent[:200]}: use {methods(request)}."
        )
    return unknown(request.method, request.url.path, request.state.sent)


def unknown(method: str, path: str, sent: str = "") -> NotFound:
    """`path` is not there; `sent` is what the client wrote, where Paths has changed it."""
    sent = (sent or path)[:200]
    if _NO_DEPLOYMENT.fullmatch(sent):
        return NotFound(f"{sent} names no deployment: it goes before /audio.", code="unknown_url")
    found = THERE.fullmatch(path.lower())
    if not found and (near := _NEAR.fullmatch(path.lower())):
        ours = "translations" if near["translation"] else "transcriptions"
        return NotFound(f"There is no {method} {sent} here, but /v1/audio/{ours}.", code="unknown_url")
    meant = f"/v1{found[1]}" if found else path
    if what := absent(meant):
        return NotFound(
            f"{sent} is not offered: this server transcribes and translates speech, and has no {what}.",
            code="unsupported_endpoint",
        )
    hint = f", but {meant[:200]}: base addresses end in /v1" if meant != path else ""
    return NotFound(f"There is no {method} {sent} here{hint}.", code="unknown_url")


async def unknown_socket(socket: WebSocket) -> None:
    refused = unknown("WebSocket", socket.url.path, socket.state.sent)
    socket.state.entry.error = refused.code
    headers = {"x-request-id": f"req_{uuid.uuid4().hex}"}
    await socket.send_denial_response(JSONResponse(refused.body(), refused.status, headers))


async def no_socket(request: Request) -> None:
    """A plain request where sessions are opened, as a proxy makes it that does not know WebSockets."""
    raise BadRequest(
        f"{request.state.sent[:200]} opens a WebSocket, and this request asks for none: a proxy in front may have "
        "dropped its headers Upgrade and Connection.",
        code="websocket_required",
    )
