"""Captions for a file, in real time: python live_file.py speech.mp3   (pip install 'openai[realtime]' av)"""

import asyncio
import base64
import sys
import time

import av
import openai
from openai.resources.realtime.realtime import AsyncRealtimeConnection


def sound(path: str) -> bytes:
    """Return a file's audio as 16-bit mono PCM at 24 kHz, and a second of silence, which ends the last turn."""
    resampler = av.AudioResampler("s16", "mono", 24_000)
    with av.open(path) as file:
        parts = [part for frame in [*file.decode(audio=0), None] for part in resampler.resample(frame)]
    return b"".join(bytes(part.planes[0])[: part.samples * 2] for part in parts) + bytes(48_000)


async def speak(connection: AsyncRealtimeConnection, pcm: bytes) -> None:
    begun = time.monotonic()
    for at in range(0, len(pcm), 4800):
        await asyncio.sleep(begun + at / 48_000 - time.monotonic())
        await connection.input_audio_buffer.append(audio=base64.b64encode(pcm[at : at + 4800]).decode())
    await asyncio.sleep(3)  # for the last words
    await connection.close()


async def main(path: str) -> None:
    realtime = openai.AsyncOpenAI().realtime.connect(extra_query={"intent": "transcription"})
    async with realtime as connection, asyncio.TaskGroup() as group:
        group.create_task(speak(connection, sound(path)))
        async for event in connection:
            if event.type.startswith("conversation.item.input_audio_transcription."):
                print(getattr(event, "delta", "\n"), end="", flush=True)  # the last event of a turn has no delta


asyncio.run(main(sys.argv[1]))
