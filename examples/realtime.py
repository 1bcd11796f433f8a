"""Live speech: python realtime.py speech.wav (16-bit, mono, 24 kHz), sent as a microphone would"""

import asyncio
import base64
import os
import sys
import wave

from openai import AsyncOpenAI

FORMAT = {"type": "audio/pcm", "rate": 24000}
TURN = None  # this program says itself where a turn ends; {"type": "server_vad"} leaves it to the pauses
INPUT = {"format": FORMAT, "transcription": {"model": "gpt-live-transcribe"}, "turn_detection": TURN}
TENTH = 2400  # samples


async def main(path: str) -> None:
    address = os.environ["OPENAI_BASE_URL"].replace("http", "ws", 1)  # old releases would dial wss
    client = AsyncOpenAI(websocket_base_url=address)
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as live:
        await live.session.update(session={"type": "transcription", "audio": {"input": INPUT}})
        with wave.open(path, "rb") as sound:
            while pcm := sound.readframes(TENTH):
                await live.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())
                await asyncio.sleep(0.1)
        await live.input_audio_buffer.commit()
        async for event in live:
            if event.type == "conversation.item.input_audio_transcription.delta":
                print(event.delta, end="", flush=True)
            elif event.type == "conversation.item.input_audio_transcription.completed":
                break


asyncio.run(main(sys.argv[1]))
