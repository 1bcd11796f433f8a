"""Unknown paths: 404 responses that suggest a path, or name the part of OpenAI's API that is not supported."""

from __future__ import annotations

import re
import uuid

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match, Route
from starlette.websockets import WebSocket

from compat.errors import BadRequest, CompatError, MethodNotAllowed, NotFound

ABSENT = {  # prefixes of paths below /v1, and the feature behind each
    "/audio/speech": "speech synthesis",
    "/audio/voices": "voices",
    "/audio/voice_consents": "voices",
    "/realtime/calls": "calls by WebRTC without COMPAT_WEBRTC_PORT or with several workers",
    "/realtime/sessions": "voice conversations",
    "/realtime/translations/calls": "calls by WebRTC without COMPAT_WEBRTC_PORT or with several workers",
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


_SIP = re.compile(r"/realtime/calls/[^/]+/(accept|reject|refer)")


def absent(path: str) -> str | None:
    """Return the feature behind an unsupported path of OpenAI's API; None for any other path."""
    below = path.removeprefix("/v1")
    if _SIP.fullmatch(below):
        return "calls by SIP"
    return next((feature for start, feature in ABSENT.items() if f"{below}/".startswith(f"{start}/")), None)


_THERE = (
    r"/(?:audio/(?:transcriptions|translations)|dashscope/(?:vocabularies|usage)|models"
    r"|realtime(?:/client_secrets|/transcription_sessions|/translations(?:/client_secrets)?)?)"
)
THERE = re.compile(rf".*({_THERE}(?:/(?!audio/|dashscope/|models|realtime)[^/]+)?)/*")
# Misspellings, and paths of other servers: /inference (whisper.cpp), /asr (whisper-asr-webservice)
_NEAR = re.compile(
    r"(/api)?(/v\d+)*(/audio)*/((?P<translation>translat(e|ions?))|transcri(be|ptions?)|inference|asr|stt|speech-to-text)"
)
_TRANSLATED = re.compile(r"/v1/realtime/translations(/calls/[^/]+(?:/hangup)?)")  # calls of both kinds have one path
_NO_DEPLOYMENT = re.compile(r"/+openai/+deployments/+audio/+(transcriptions|translations)/*")


def methods(request: Request) -> str:
    """Return the methods that the request's path supports, as a value of the Allow header."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    allowed = [route.methods or set() for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted(set().union(*allowed)))


def error(request: Request, exc: Exception) -> CompatError:
    """Translate a 404 or 405 of Starlette's router."""
    if isinstance(exc, HTTPException) and exc.status_code == 405:
        return MethodNotAllowed(
            f"{request.method} is not allowed on {request.state.sent[:200]}: use {methods(request)}."
        )
    return unknown(request.method, request.url.path, request.state.sent)


def unknown(method: str, path: str, sent: str = "") -> NotFound:
    """Return the error for an unknown `path`. `sent` is the path before PathMiddleware normalised it."""
    sent = (sent or path)[:200]
    if _NO_DEPLOYMENT.fullmatch(sent):
        return NotFound(f"{sent} has no deployment name: insert it before /audio.", code="unknown_url")
    if call := _TRANSLATED.fullmatch(path):
        return NotFound(f"There is no {method} {sent} here, but /v1/realtime{call[1][:200]}.", code="unknown_url")
    match = THERE.fullmatch(path.lower())
    if not match and (near := _NEAR.fullmatch(path.lower())):
        kind = "translations" if near["translation"] else "transcriptions"
        return NotFound(f"There is no {method} {sent} here, but /v1/audio/{kind}.", code="unknown_url")
    intended = f"/v1{match[1]}" if match else path
    if feature := absent(intended):
        return NotFound(
            f"{sent} is not offered: this server transcribes and translates speech, and has no {feature}.",
            code="unsupported_endpoint",
        )
    hint = f", but {intended[:200]}: base addresses end in /v1" if intended != path else ""
    return NotFound(f"There is no {method} {sent} here{hint}.", code="unknown_url")


async def unknown_socket(socket: WebSocket) -> None:
    """Deny a WebSocket handshake on an unknown path."""
    refused = unknown("WebSocket", socket.url.path, socket.state.sent)
    socket.state.entry.error = refused.code
    headers = {"x-request-id": f"req_{uuid.uuid4().hex}"}
    await socket.send_denial_response(JSONResponse(refused.body(), refused.status, headers))


async def no_socket(request: Request) -> None:
    """Raise BadRequest for an HTTP request to a WebSocket path, which a proxy without WebSocket support sends."""
    raise BadRequest(
        f"{request.state.sent[:200]} is a WebSocket endpoint, but this request is no WebSocket handshake: a proxy may "
        "have dropped the headers Upgrade and Connection.",
        code="websocket_required",
    )
