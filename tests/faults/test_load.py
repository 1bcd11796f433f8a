"""Sixty-four concurrent uploads all succeed, and health checks succeed meanwhile. Benchmarks measure the speed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from tests.audio import media
from tests.running import running_server

UPLOADS = 64


async def test_health_answers_while_uploads_are_handled(tmp_path: Path) -> None:
    speech = media.make("mp3", media.tone(30.0), 16000, 1, tmp_path / "a.mp3").read_bytes()
    sentences = (Sentence(text="hello", begin_ms=0, end_ms=500),)
    with running_server(Scripted(sentences)) as server:
        statuses, healths = await _loaded(server.base_url, speech)

    assert [200] * UPLOADS == statuses
    assert {200} == set(healths)


async def _loaded(base: str, speech: bytes) -> tuple[list[int], list[int]]:
    """Return the statuses of the uploads, and of the health checks made until the last upload had its response."""
    healths = []
    async with httpx2.AsyncClient(timeout=60, limits=httpx2.Limits(max_connections=None)) as client:

        async def upload() -> int:
            files = {"file": ("a.mp3", speech)}
            answer = await client.post(f"{base}/audio/transcriptions", files=files, data={"model": "whisper-1"})
            return answer.status_code

        uploads = asyncio.gather(*(upload() for _ in range(UPLOADS)))
        while not uploads.done():
            healths.append((await client.get(f"{base.removesuffix('/v1')}/healthz")).status_code)
        return await uploads, healths
