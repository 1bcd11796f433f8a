"""Captions of what the microphone hears, until Ctrl-C   (pip install 'openai[realtime]' sounddevice)"""

from __future__ import annotations

import asyncio
import base64
import contextlib

import openai
import sounddevice
from openai.resources.realtime.realtime import AsyncRealtimeConnection

RATE = 24_000
SESSION = {"type": "transcription", "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}


async def listen(connection: AsyncRealtimeConnection) -> None:
    loop, heard = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def hear(data: object, *_: object) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, bytes(data))  # type: ignore[call-overload]  # a buffer

    with sounddevice.RawInputStream(RATE, blocksize=RATE // 10, channels=1, dtype="int16", callback=hear):
        while True:
            await connection.input_audio_buffer.append(audio=base64.b64encode(await heard.get()).decode())


async def main() -> None:
    async with openai.AsyncOpenAI().realtime.connect(extra_query={"intent": "transcription"}) as connection:
        await connection.session.update(session=SESSION)  # type: ignore[arg-type]  # a plain dict will do
        listening = asyncio.create_task(listen(connection))
        async for event in connection:
            if event.type == "conversation.item.input_audio_transcription.delta":
                print(event.delta, end="", flush=True)
            elif event.type == "conversation.item.input_audio_transcription.completed":
                print()
        await listening


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
