"""Captions of what the microphone hears, until Ctrl-C   (pip install 'openai[realtime]' sounddevice)"""

import asyncio
import base64
import contextlib

import openai
import sounddevice
from openai.resources.realtime.realtime import AsyncRealtimeConnection


async def listen(connection: AsyncRealtimeConnection) -> None:
    loop, heard = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def hear(data: bytearray, *_: object) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, bytes(data))

    with sounddevice.RawInputStream(24_000, blocksize=2400, channels=1, dtype="int16", callback=hear):
        while True:
            await connection.input_audio_buffer.append(audio=base64.b64encode(await heard.get()).decode())


async def main() -> None:
    realtime = openai.AsyncOpenAI().realtime.connect(extra_query={"intent": "transcription"})
    async with realtime as connection, asyncio.TaskGroup() as group:
        group.create_task(listen(connection))
        async for event in connection:
            if event.type.startswith("conversation.item.input_audio_transcription."):
                print(getattr(event, "delta", "\n"), end="", flush=True)  # the last event of a turn has none


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main())
