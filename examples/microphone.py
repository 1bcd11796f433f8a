"""Captions for the microphone, until Ctrl-C   (pip install 'openai[realtime]' sounddevice)"""

import asyncio
import base64
import contextlib

import openai
import sounddevice
from openai.resources.realtime.realtime import AsyncRealtimeConnection


async def listen(connection: AsyncRealtimeConnection) -> None:
    loop, chunks = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def record(data: bytearray, *_: object) -> None:
        loop.call_soon_threadsafe(chunks.put_nowait, bytes(data))

    with sounddevice.RawInputStream(24_000, blocksize=2400, channels=1, dtype="int16", callback=record):
        while True:
            await connection.input_audio_buffer.append(audio=base64.b64encode(await chunks.get()).decode())


async def main() -> None:
    realtime = openai.AsyncOpenAI().realtime.connect(extra_query={"intent": "transcription"})
    async with realtime as connection, asyncio.TaskGroup() as group:
        group.create_task(listen(connection))
        async for event in connection:
            if event.type.startswith("conversation.item.input_audio_transcription."):
                print(getattr(event, "delta", "\n"), end="", flush=True)  # the last event of a turn has no delta


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main())
