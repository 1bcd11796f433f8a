"""Captions while a file of any kind is played: python live_file.py speech.mp3   (pip install 'openai[realtime]' av)"""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from collections.abc import Iterator

import av
import openai
from av.audio.resampler import AudioResampler
from openai.resources.realtime.realtime import AsyncRealtimeConnection

RATE = 24_000
SESSION = {"type": "transcription", "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}


def sound(path: str) -> Iterator[bytes]:
    """Any file's sound, 100 ms at a time: mono, 16 bit, 24 kHz. At its end a second of silence, which ends the turn."""
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE, frame_size=RATE // 10)
    with av.open(path) as file:
        for frame in [*file.decode(audio=0), None]:
            for piece in resampler.resample(frame):
                yield bytes(piece.planes[0])[: piece.samples * 2]
    yield from [bytes(RATE // 10 * 2)] * 10


async def speak(connection: AsyncRealtimeConnection, path: str) -> None:
    started, said = time.monotonic(), 0
    for piece in sound(path):
        await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        said += len(piece) // 2
        await asyncio.sleep(started + said / RATE - time.monotonic())


async def main(path: str) -> None:
    async with openai.AsyncOpenAI().realtime.connect(extra_query={"intent": "transcription"}) as connection:
        await connection.session.update(session=SESSION)  # type: ignore[arg-type]  # a plain dict will do
        speaking = asyncio.create_task(speak(connection, path))
        speaking.add_done_callback(lambda _: asyncio.ensure_future(finish(connection)))
        async for event in connection:
            if event.type == "conversation.item.input_audio_transcription.delta":
                print(event.delta, end="", flush=True)
            elif event.type == "conversation.item.input_audio_transcription.completed":
                print()


async def finish(connection: AsyncRealtimeConnection) -> None:
    await asyncio.sleep(3)  # for the last words
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
