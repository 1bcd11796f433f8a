"""Live speech, sent in real time: python realtime.py speech.mp3   (pip install 'openai[realtime]' av)"""

import asyncio
import base64
import os
import sys
from collections.abc import Iterator

import av
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

# one turn, which the commit ends; in live_file.py and microphone.py, turns end at pauses
INPUT = {"transcription": {"model": "gpt-live-transcribe"}, "turn_detection": None}


def sound(path: str) -> Iterator[bytes]:
    """Yield a file as 16-bit mono PCM at 24 kHz, 0.1 s at a time."""
    resampler = av.AudioResampler("s16", "mono", 24_000, frame_size=2400)
    with av.open(path) as file:
        for part in (part for frame in [*file.decode(audio=0), None] for part in resampler.resample(frame)):
            yield bytes(part.planes[0])[: part.samples * 2]


async def speak(live: AsyncRealtimeConnection, path: str) -> None:
    for pcm in sound(path):
        await live.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())
        await asyncio.sleep(0.1)
    await live.input_audio_buffer.commit()


async def main(path: str) -> None:
    client = AsyncOpenAI(websocket_base_url=os.environ["OPENAI_BASE_URL"].replace("http", "ws", 1))  # old ones use wss
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as live, asyncio.TaskGroup() as group:
        await live.session.update(session={"type": "transcription", "audio": {"input": INPUT}})
        group.create_task(speak(live, path))  # while events are read: unread ones would block the connection's pongs
        async for event in live:
            if event.type == "conversation.item.input_audio_transcription.delta":
                print(event.delta, end="", flush=True)
            elif event.type == "conversation.item.input_audio_transcription.completed":
                break


asyncio.run(main(sys.argv[1]))
