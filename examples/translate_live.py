"""Translate speech as it is spoken: python translate_live.py speech.mp3 es   (pip install 'openai[realtime]' av)"""

import asyncio
import base64
import sys
import wave
from pathlib import Path

import av
import openai
from openai.resources.realtime.translations.translations import AsyncTranslationsConnection


async def speak(connection: AsyncTranslationsConnection, path: str) -> None:
    """Send a file in real time: 16-bit mono PCM at 24 kHz, 200 ms at a time."""
    resampler = av.AudioResampler("s16", "mono", 24_000, frame_size=4800)
    with av.open(path) as file:
        for part in (part for frame in [*file.decode(audio=0), None] for part in resampler.resample(frame)):
            pcm = bytes(part.planes[0])[: part.samples * 2]
            await connection.session.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())
            await asyncio.sleep(part.samples / 24_000)
    await connection.session.close()


async def main(path: str, language: str = "es") -> None:
    translations = openai.AsyncOpenAI().realtime.translations.connect(model="gpt-realtime-translate")
    with wave.open(str(Path(path).with_suffix(f".{language}.wav")), "wb") as voice:
        voice.setparams((1, 2, 24_000, 0, "NONE", ""))
        async with translations as connection, asyncio.TaskGroup() as group:
            await connection.session.update(session={"audio": {"output": {"language": language}}})
            group.create_task(speak(connection, path))
            async for event in connection:
                if event.type == "session.output_transcript.delta":
                    print(event.delta, end="", flush=True)
                elif event.type == "session.output_audio.delta":
                    voice.writeframes(base64.b64decode(event.delta))


asyncio.run(main(*sys.argv[1:]))
