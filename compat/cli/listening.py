"""One live session: sound out, captions in, until the last word of it is settled."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from compat.cli.sound import RATE, SECOND

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

MODEL = "gpt-4o-transcribe"
_TRANSCRIPTION = "conversation.item.input_audio_transcription."


@dataclass(frozen=True)
class Turn:
    """What was said without a pause, settled; `start` and `end` in seconds since the session began."""

    text: str
    start: float
    end: float


@dataclass
class OpenSession:
    """A turn that is still being recognised: `stash` is what may change. Another server than ours tells none."""

    settled: str = ""
    stash: str = ""
    start: float | None = None
    end: float | None = None


class LiveCaptions(Protocol):
    """Where captions are shown."""

    def sent(self, seconds: float) -> None: ...
    def hearing(self, turns: Sequence[OpenSession]) -> None: ...
    def settled(self, turn: Turn) -> None: ...
    def fault(self, message: str) -> None: ...


async def listen(
    client: AsyncOpenAI,
    sound: AsyncGenerator[bytes, None],
    model: str,
    language: str | None,
    captions: LiveCaptions,
    fault: Callable[[str], None],
) -> list[Turn]:
    """`fault` is told what the session reports and outlives.

    Raises what the sound raises, after what was heard before it; and of websockets what ended the session early.
    """
    hearing = _Hearing(captions, fault)
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        await connection.session.update(session=_session(model, language))
        speaking = asyncio.create_task(_speak(connection, sound, captions))
        try:
            async for event in connection:
                hearing.take(event)
                if hearing.over:
                    break
        except BaseException:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
            raise
        await speaking
    if not hearing.over:
        fault("The server ended the session before the last words.")
    return hearing.turns


def _session(model: str, language: str | None) -> Any:  # noqa: ANN401 - a plain dict will do
    spoken = {"language": language} if language else {}
    audio = {"format": {"type": "audio/pcm", "rate": RATE}, "transcription": {"model": model, **spoken}}
    return {"type": "transcription", "audio": {"input": {**audio, "turn_detection": {"type": "server_vad"}}}}


async def _speak(
    connection: AsyncRealtimeConnection, sound: AsyncGenerator[bytes, None], captions: LiveCaptions
) -> None:
    """Ends with a commit and a clear: all that is committed by the time it is cleared is all there will ever be."""
    said = 0
    try:
        async with contextlib.aclosing(sound):
            async for piece in sound:
                await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
                said += len(piece)
                captions.sent(said / SECOND)
    finally:
        await connection.input_audio_buffer.commit()
        await connection.input_audio_buffer.clear()


class _Hearing:
    def __init__(self, captions: LiveCaptions, fault: Callable[[str], None]) -> None:
        self.turns: list[Turn] = []
        self._captions = captions
        self._fault = fault
        self._open: dict[str, OpenSession] = {}
        self._waited: set[str] = set()
        self._cleared = False

    @property
    def over(self) -> bool:
        return self._cleared and not self._waited

    def take(self, event: Any) -> None:  # noqa: ANN401 - any of the package's events
        match event.type.removeprefix(_TRANSCRIPTION):
            case "input_audio_buffer.speech_started":
                self._turn(event).start = event.audio_start_ms / 1000
            case "input_audio_buffer.speech_stopped":
                self._turn(event).end = event.audio_end_ms / 1000
            case "input_audio_buffer.committed":
                self._waited.add(event.item_id)
            case "delta":
                turn = self._turn(event)
                turn.settled += event.delta
                turn.stash = (getattr(event, "dashscope", None) or {}).get("stash") or ""
                self._captions.hearing(list(self._open.values()))
            case "completed":
                self._completed(event.item_id, event.transcript)
            case "failed":
                self._fault(event.error.message or "A turn could not be recognised.")
                self._completed(event.item_id, "")
            case "input_audio_buffer.cleared":
                self._cleared = True
            case "error" if event.error.code != "input_audio_buffer_commit_empty":
                self._fault(event.error.message)

    def _turn(self, event: Any) -> OpenSession:  # noqa: ANN401 - any event of an item
        return self._open.setdefault(event.item_id, OpenSession())

    def _completed(self, item: str, text: str) -> None:
        turn = self._open.pop(item, OpenSession())
        self._waited.discard(item)
        self._captions.hearing(list(self._open.values()))
        if text.strip():
            before = self.turns[-1].end if self.turns else 0.0
            start = before if turn.start is None else turn.start
            settled = Turn(text.strip(), start, start if turn.end is None else turn.end)
            self.turns.append(settled)
            self._captions.settled(settled)
