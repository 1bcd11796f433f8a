"""What qwen3-asr says in a message, on the compatible and on the native surface alike."""

from __future__ import annotations

from math import ceil

import msgspec

from compat.transcript import Request, Transcript, Usage

AUDIO_TOKENS_A_SECOND = 25


class Part(msgspec.Struct, frozen=True):
    text: str | None = None


class Annotation(msgspec.Struct, frozen=True):
    language: str | None = None
    emotion: str | None = None


class Message(msgspec.Struct, frozen=True):
    """A message or a delta. `content` is a string in every sample, a list in the table of fields."""

    content: str | list[Part] | None = None
    annotations: list[Annotation] | None = None

    @property
    def text(self) -> str:
        match self.content:
            case str(text):
                return text
            case list(parts):
                return "".join(part.text or "" for part in parts)
            case None:
                return ""

    @property
    def annotation(self) -> Annotation | None:
        return self.annotations[0] if self.annotations else None


class TokenDetails(msgspec.Struct, frozen=True):
    audio_tokens: int | None = None
    text_tokens: int | None = None

    @property
    def seconds(self) -> float | None:
        """What the audio tokens make, for snapshots that do not tell the seconds."""
        return None if self.audio_tokens is None else float(ceil(self.audio_tokens / AUDIO_TOKENS_A_SECOND))


def transcribed(
    request: Request, text: str, annotation: Annotation, usage: Usage, request_id: str | None
) -> Transcript:
    return Transcript(
        text=text,
        language=annotation.language or request.language,
        emotion=annotation.emotion,
        duration=request.media.duration,
        usage=usage,
        model=request.model,
        surface=request.surface,
        request_id=request_id,
    )
