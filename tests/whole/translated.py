"""Live speech coded in tones, translated: what clients of the official package send, and what they have at the end."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Iterator
from typing import Any

import openai
from openai.lib.realtime_translation import AsyncTranslationSession

from compat.audio.resample import Resampler
from compat.emulator.engines.tones import Decoder
from tests.whole.cutting import Breaks, Wire
from tests.whole.live_speech import Recording, frames

CLOSE: Any = {"type": "session.close"}
_AUDIO: Any = {"output": {"language": "es"}, "input": {"transcription": {"model": "gpt-realtime-whisper"}}}
UPDATE: Any = {"type": "session.update", "session": {"audio": _AUDIO}}


def appends(recording: Recording) -> Iterator[tuple[int, Any]]:
    """The client's sound: events of 100 ms, each with its start in milliseconds."""
    for now, frame in frames(recording, "pcm-24000"):
        yield now, {"type": "session.input_audio_buffer.append", "audio": base64.b64encode(frame).decode()}


def expected(recording: Recording, mark: str) -> str:
    """The translation of a recording. The emulator marks each turn with the target language."""
    return " ".join(f"{mark} {turn.text}" for turn in recording.turns)


class Heard:
    """What a client has received. Its source text shows how far the service has come: text that a model of Qwen-MT
    translates may come when the connection to the recogniser was cut again."""

    def __init__(self, wire: Wire, recording: Recording) -> None:
        self.text = self.source = ""
        self.closed = False
        self._wire = wire
        self._turns = set(itertools.accumulate((turn.text for turn in recording.turns), "{} {}".format))
        self._voice = bytearray()

    def take(self, event: Any) -> None:  # noqa: ANN401 - one of the package's events
        assert not self.closed
        match event.type:
            case "session.output_transcript.delta":
                self.text += event.delta
            case "session.input_transcript.delta":
                self.source += event.delta
                if self.source in self._turns:
                    self._wire.heard()
            case "session.output_audio.delta":
                assert (event.sample_rate, event.channels) == (24_000, 1)
                self._voice += base64.b64decode(event.delta)
            case "session.closed":
                self.closed = True
            case "session.created" | "session.updated":
                pass
            case _:
                raise AssertionError(event)

    @property
    def voice(self) -> list[str]:
        """The words of the voice."""
        decoder, resampler = Decoder(), Resampler(24_000, 16_000)
        sound = resampler.feed(bytes(self._voice)) + resampler.flush()
        return [word.text for word in (*decoder.feed(sound), *decoder.flush())]


def client(base_url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=base_url, api_key="k")


async def managed(base_url: str, model: str, recording: Recording, breaks: Breaks) -> Heard:
    """Translate a recording with the package's managed session."""
    heard = Heard(breaks.wire, recording)

    async def listen() -> None:
        while not heard.closed:
            heard.take(await session.recv())

    opened = AsyncTranslationSession(client(base_url).realtime.translations, model=model)
    async with opened as session, asyncio.TaskGroup() as group:
        group.create_task(listen())
        await session.send(UPDATE)
        for now, event in appends(recording):
            await breaks.reach(now)
            await session.send(event)
        await session.send(CLOSE)
    return heard


async def connected(base_url: str, model: str, recording: Recording, breaks: Breaks) -> Heard:
    """Translate a recording with the package's connection."""
    heard = Heard(breaks.wire, recording)

    async def listen() -> None:
        async for event in connection:
            heard.take(event)

    opened = client(base_url).realtime.translations.connect(model=model)
    async with opened as connection, asyncio.TaskGroup() as group:
        group.create_task(listen())
        await connection.session.update(session=UPDATE["session"])
        for now, event in appends(recording):
            await breaks.reach(now)
            await connection.session.input_audio_buffer.append(audio=event["audio"])
        await connection.session.close()
    return heard


def at_once(connection: Any, recording: Recording, wire: Wire) -> Heard:  # noqa: ANN401 - either of the package's
    """Translate a recording without waiting, with one of the package's synchronous connections."""
    heard = Heard(wire, recording)
    connection.send(UPDATE)
    for _, event in appends(recording):
        connection.send(event)
    connection.send(CLOSE)
    while not heard.closed:
        heard.take(connection.recv())
    return heard
