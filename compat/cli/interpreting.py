"""A live session that translates: send audio and receive two growing texts, and a voice."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from compat.cli.client import CommandFailed
from compat.cli.sound import SECOND

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MODEL: Final = "gpt-realtime-translate"
SOURCE_MODEL: Final = "gpt-realtime-whisper"
"""The model for the text of the source. OpenAI's API requires one; this project's server accepts any."""
LEAST: Final = "3.34"
"""The first release of the openai package with these sessions."""


@dataclass(frozen=True)
class Languages:
    """The language to translate into and, if it is known, that of the source: codes or English names."""

    target: str
    source: str | None = None


class VoiceSink(Protocol):
    """Where the voice goes: mono 16-bit PCM at 24 kHz."""

    def say(self, pcm: bytes) -> None: ...


class Subtitles(Protocol):
    """A display of both texts. See `compat.cli.translated.Subtitled` for the methods."""

    def sent(self, seconds: float) -> None: ...
    def source(self, delta: str) -> None: ...
    def translation(self, delta: str) -> None: ...
    def end(self) -> None: ...
    def fault(self, message: str) -> None: ...


async def interpret(
    client: AsyncOpenAI,
    sound: AsyncGenerator[bytes, None],
    model: str,
    languages: Languages,
    shown: Subtitles,
    voices: Sequence[VoiceSink],
    fault: Callable[[str], None],
) -> None:
    """Translate `sound`. `fault` is called with the message of each error that does not end the session.

    Exceptions from `sound` are raised after what came before them has been translated. Raises CommandFailed if the
    server refuses the languages, and exceptions from websockets if the session ends early.
    """
    connect = getattr(getattr(client.realtime, "translations", None), "connect", None)
    if connect is None:
        raise click.ClickException(f"--to needs openai {LEAST} or newer: {sys.executable} -m pip install -U openai")
    async with connect(model=model) as connection:
        created = await _wait_for(connection, "session.created")
        await connection.session.update(session=_session(created, languages, spoken=bool(voices)))
        updated = await _wait_for(connection, "session.updated")
        if voices and "audio" not in _applied(updated).get("output_modalities", ["audio"]):
            shown.fault(f"There is no voice for {languages.target}, only text.")
        speaking = asyncio.create_task(_speak(connection, sound, shown))
        closed = False
        try:
            async for event in connection:
                closed = event.type == "session.closed"
                if closed:
                    break
                _show(event, shown, voices, fault)
        except BaseException:
            await _cancelled(speaking)
            raise
        finally:
            shown.end()
        if closed and speaking.done():
            await speaking
        else:
            await _cancelled(speaking)
            fault("The server ended the session before the last words.")


def _show(event: Any, shown: Subtitles, voices: Sequence[VoiceSink], fault: Callable[[str], None]) -> None:  # noqa: ANN401 - any of the package's events
    match event.type:
        case "session.input_transcript.delta":
            shown.source(event.delta)
        case "session.output_transcript.delta":
            shown.translation(event.delta)
        case "session.output_audio.delta":
            pcm = base64.b64decode(event.delta)
            for voice in voices:
                voice.say(pcm)
        case "error":
            fault(event.error.message)
        case _:
            pass


def _session(created: Any, languages: Languages, *, spoken: bool) -> Any:  # noqa: ANN401 - an event; a plain dict
    """Return the session's configuration. It has fields beyond OpenAI's only for this project's server, whose sessions
    have an object `dashscope`."""
    transcription = {"model": SOURCE_MODEL, **({"language": languages.source} if languages.source else {})}
    session = {"audio": {"input": {"transcription": transcription}, "output": {"language": languages.target}}}
    if not _applied(created):
        return session
    return {**session, "dashscope": {"output_modalities": ["text", "audio"] if spoken else ["text"]}}


def _applied(event: Any) -> dict[str, Any]:  # noqa: ANN401 - an event with a session
    return getattr(event.session, "dashscope", None) or {}


async def _wait_for(connection: Any, kind: str) -> Any:  # noqa: ANN401 - the package's connection, and one of its events
    """Return the first event of this kind. Raises CommandFailed for an error before it."""
    while True:
        event = await connection.recv()
        if event.type == "error":
            raise CommandFailed(event.error.message)
        if event.type == kind:
            return event


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _speak(connection: Any, sound: AsyncGenerator[bytes, None], shown: Subtitles) -> None:  # noqa: ANN401 - see above
    sent = 0
    try:
        async with contextlib.aclosing(sound):
            async for piece in sound:
                coded = base64.b64encode(piece).decode()
                await connection.send({"type": "session.input_audio_buffer.append", "audio": coded})
                sent += len(piece)
                shown.sent(sent / SECOND)
    finally:
        await connection.send({"type": "session.close"})
