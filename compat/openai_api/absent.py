"""What OpenAI offers and this server does not: the beginnings of paths below /v1, and what each is for."""

from __future__ import annotations

ABSENT = {
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
