"""Transcribe many files, four at a time: python many_at_once.py *.wav"""

import asyncio
import sys
from pathlib import Path

from openai import AsyncOpenAI


async def main(paths: list[str]) -> None:
    limit = asyncio.Semaphore(4)
    async with AsyncOpenAI() as client:

        async def one(path: str) -> str:
            async with limit:
                return (await client.audio.transcriptions.create(model="gpt-transcribe", file=Path(path))).text

        for path, text in zip(paths, await asyncio.gather(*map(one, paths)), strict=True):
            print(f"{path}: {text}")


asyncio.run(main(sys.argv[1:]))
