"""A live transcription with OpenAI's own package, of whichever release runs this: 1.x or newer.

    python live.py ga|ga-sync|beta BASE_URL SOUND.pcm vad|BYTE,BYTE,… PACE [MODEL …]

SOUND.pcm is mono 16-bit at 24 kHz. At each position of a list it commits. PACE times faster than real time. Transcribes
with each MODEL in turn, by default gpt-4o-transcribe. Prints a line a turn: {"transcript": …, "deltas": …}.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai

FRAME = 4_800  # bytes: 100 ms
SILENCE = bytes(FRAME * 15)


def turns(sound: bytes, mode: str) -> Iterator[tuple[bytes, bool]]:
    """Frames, and whether a commit follows. Under VAD silence ends the last turn."""
    ends = set() if mode == "vad" else {int(end) for end in mode.split(",")}
    whole = sound + SILENCE if mode == "vad" else sound
    cuts = sorted({*range(0, len(whole), FRAME), *ends, len(whole)})
    for begin, end in itertools.pairwise(cuts):
        yield whole[begin:end], end in ends


def session(mode: str, dialect: str, model: str) -> dict[str, Any]:
    detection: dict[str, Any] = {} if mode == "vad" else {"turn_detection": None}
    if dialect == "beta":
        return {"input_audio_format": "pcm16", "input_audio_transcription": {"model": model}, **detection}
    audio = {"format": {"type": "audio/pcm", "rate": 24000}, "transcription": {"model": model}}
    return {"type": "transcription", "audio": {"input": {**audio, **detection}}}


class Hearing:
    """The turns received. `over` is set after that of the last commit, or that in which the audio ends."""

    def __init__(self, sound: bytes, mode: str) -> None:
        self._left = 0 if mode == "vad" else mode.count(",") + 1
        self._until_ms = len(sound) / 48 - 3500
        self._deltas: dict[str, str] = {}
        self._last: str | None = None
        self.over = False

    def take(self, event: Any) -> None:  # noqa: ANN401 - of either release
        if event.type == "error":
            raise SystemExit(f"an error event: {event.error}")
        if event.type == "input_audio_buffer.speech_stopped" and event.audio_end_ms >= self._until_ms:
            self._last = event.item_id
        if event.type.endswith("transcription.delta"):
            self._deltas[event.item_id] = self._deltas.get(event.item_id, "") + event.delta
        if event.type.endswith("transcription.completed"):
            print(json.dumps({"transcript": event.transcript, "deltas": self._deltas.get(event.item_id, "")}))  # noqa: T201
            self._left -= 1
            self.over = self._left == 0 or event.item_id == self._last


async def live(client: openai.AsyncOpenAI, dialect: str, sound: bytes, mode: str, pace: float, model: str) -> None:
    query = {"intent": "transcription"}
    opened: Any = (
        client.beta.realtime.connect(model="gpt-4o-transcribe", extra_query=query)
        if dialect == "beta"
        else client.realtime.connect(extra_query=query)
    )
    async with opened as connection:
        wanted: Any = session(mode, dialect, model)
        if dialect == "beta":
            await connection.transcription_session.update(session=wanted)
        else:
            await connection.session.update(session=wanted)

        async def speak() -> None:
            for frame, last in turns(sound, mode):
                await connection.input_audio_buffer.append(audio=base64.b64encode(frame).decode())
                if last:
                    await connection.input_audio_buffer.commit()
                await asyncio.sleep(len(frame) / 48_000 / pace)

        speaking = asyncio.ensure_future(speak())
        hearing = Hearing(sound, mode)
        async for event in connection:
            hearing.take(event)
            if hearing.over:
                break
        await speaking


def live_sync(client: openai.OpenAI, sound: bytes, mode: str, pace: float, model: str) -> None:
    with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        wanted: Any = session(mode, "ga", model)
        connection.session.update(session=wanted)

        def speak() -> None:
            for frame, last in turns(sound, mode):
                connection.input_audio_buffer.append(audio=base64.b64encode(frame).decode())
                if last:
                    connection.input_audio_buffer.commit()
                time.sleep(len(frame) / 48_000 / pace)

        speaking = threading.Thread(target=speak)
        speaking.start()
        hearing = Hearing(sound, mode)
        for event in connection:
            hearing.take(event)
            if hearing.over:
                break
        speaking.join()


def main() -> None:
    dialect, base_url, path, mode, pace, *models = sys.argv[1:]
    sound = Path(path).read_bytes()
    for model in models or ["gpt-4o-transcribe"]:
        if dialect == "ga-sync":
            live_sync(openai.OpenAI(base_url=base_url, api_key="any"), sound, mode, float(pace), model)
        else:
            client = openai.AsyncOpenAI(base_url=base_url, api_key="any")
            asyncio.run(live(client, dialect, sound, mode, float(pace), model))


if __name__ == "__main__":
    main()
