"""A live session: send audio and receive captions until the last turn is final."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from compat.cli.client import CommandFailed
from compat.cli.sound import RATE, SECOND

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

MODEL = "gpt-4o-transcribe"
_TRANSCRIPTION = "conversation.item.input_audio_transcription."


@dataclass(frozen=True)
class Turn:
    """A final turn: speech without a pause. `start` and `end` are seconds from the start of the session."""

    text: str
    start: float
    end: float


@dataclass
class OpenTurn:
    """A turn in progress. `stash`: tentative text, which may still change; only this project's server sends it."""

    settled: str = ""
    stash: str = ""
    start: float | None = None
    end: float | None = None


class LiveCaptions(Protocol):
    """A display of captions. See `compat.cli.captions.Silent` for the methods."""

    def sent(self, seconds: float) -> None: ...
    def pending(self, turns: Sequence[OpenTurn]) -> None: ...
    def settled(self, turn: Turn) -> None: ...
    def fault(self, message: str) -> None: ...


async def listen(
    client: AsyncOpenAI,
    sound: AsyncGenerator[bytes, None],
    model: str,
    language: str | None,
    captions: LiveCaptions,
    fault: Callable[[str], None],
    *,
    prompt: str | None = None,
    keywords: Sequence[str] = (),
) -> list[Turn]:
    """Caption `sound`, and return its turns.

    `fault` is called with the message of each error that does not end the session.

    Exceptions from `sound` are raised after the audio before them has been recognised. Raises CommandFailed if the
    server refuses the settings. Exceptions from websockets are raised if the session ends early; the text of turns that
    are then incomplete is shown as final, because deltas are not taken back.
    """
    turns = _Turns(captions, fault)
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        await connection.session.update(session=_session(model, language, prompt, keywords))
        speaking = asyncio.create_task(_speak(connection, sound, captions))
        try:
            async for event in connection:
                turns.take(event)
                if turns.complete:
                    break
        except BaseException:
            turns.interrupted()
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
            raise
        if not turns.complete:
            turns.interrupted()
        await speaking
    if not turns.complete:
        fault("The server ended the session before the last words.")
    return turns.final


def _session(model: str, language: str | None, prompt: str | None, keywords: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    given = {"language": language, "prompt": prompt, "keywords": [*keywords]}
    spoken = {name: value for name, value in given.items() if value}
    audio = {"format": {"type": "audio/pcm", "rate": RATE}, "transcription": {"model": model, **spoken}}
    return {"type": "transcription", "audio": {"input": {**audio, "turn_detection": {"type": "server_vad"}}}}


def _accepted(event: Any) -> bool:  # noqa: ANN401 - any of the package's events
    """Return whether the server accepts the settings with this event. Raises CommandFailed if it refuses them."""
    if event.type == "error":
        raise CommandFailed(event.error.message)
    return bool(event.type == "session.updated")


async def _speak(
    connection: AsyncRealtimeConnection, sound: AsyncGenerator[bytes, None], captions: LiveCaptions
) -> None:
    """Send the audio, then a commit and a clear. All turns have been committed when the server confirms the clear."""
    sent = 0
    try:
        async with contextlib.aclosing(sound):
            async for piece in sound:
                await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
                sent += len(piece)
                captions.sent(sent / SECOND)
    finally:
        await connection.input_audio_buffer.commit()
        await connection.input_audio_buffer.clear()


class _Turns:
    """The turns of a session, assembled from its events."""

    def __init__(self, captions: LiveCaptions, fault: Callable[[str], None]) -> None:
        self.final: list[Turn] = []
        self._captions = captions
        self._fault = fault
        self._open: dict[str, OpenTurn] = {}
        self._committed: set[str] = set()
        self._configured = False
        self._cleared = False

    @property
    def complete(self) -> bool:
        return self._cleared and not self._committed

    def take(self, event: Any) -> None:  # noqa: ANN401 - any of the package's events
        self._configured = self._configured or _accepted(event)
        match event.type.removeprefix(_TRANSCRIPTION):
            case "input_audio_buffer.speech_started":
                self._turn(event).start = event.audio_start_ms / 1000
            case "input_audio_buffer.speech_stopped":
                self._turn(event).end = event.audio_end_ms / 1000
            case "input_audio_buffer.committed":
                self._committed.add(event.item_id)
            case "delta":
                turn = self._turn(event)
                turn.settled += event.delta
                turn.stash = (getattr(event, "dashscope", None) or {}).get("stash") or ""
                self._captions.pending(list(self._open.values()))
            case "completed":
                self._completed(event.item_id, event.transcript)
            case "failed":
                self._fault(event.error.message or "A turn could not be recognised.")
                self._completed(event.item_id, self._turn(event).settled)
            case "input_audio_buffer.cleared":
                self._cleared = True
            case "error" if event.error.code != "input_audio_buffer_commit_empty":
                self._fault(event.error.message)

    def interrupted(self) -> None:
        """Show the text of turns that will not be completed."""
        for item, turn in list(self._open.items()):
            self._completed(item, turn.settled)

    def _turn(self, event: Any) -> OpenTurn:  # noqa: ANN401 - any event of an item
        return self._open.setdefault(event.item_id, OpenTurn())

    def _completed(self, item: str, text: str) -> None:
        turn = self._open.pop(item, OpenTurn())
        self._committed.discard(item)
        self._captions.pending(list(self._open.values()))
        if text.strip():
            before = self.final[-1].end if self.final else 0.0
            start = before if turn.start is None else turn.start
            settled = Turn(text.strip(), start, start if turn.end is None else turn.end)
            self.final.append(settled)
            self._captions.settled(settled)
