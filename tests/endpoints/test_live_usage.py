"""Words, times and the bill of live turns."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from compat.emulator.engines.tones import Tones, encode, lay
from tests.endpoints.live import MANUAL, live_client
from tests.running import running_server

LAID = lay(["amber", "basil", "cedar"], begin_ms=400)
SPEECH = encode(LAID, rate=24_000)


@pytest.mark.parametrize("turns", ["vad", "manual"])
@pytest.mark.parametrize(
    ("model", "billed"),
    [
        ("qwen-audio-3.1-asr-flash-streaming", "tokens"),
        ("fun-asr-realtime", "duration"),
        ("qwen3-asr-flash-realtime", "duration"),
    ],
)
async def test_a_turn_has_its_words_and_what_was_billed(model: str, billed: str, turns: str) -> None:
    audio: dict[str, Any] = {"transcription": {"model": model}}
    audio |= {"turn_detection": None} if turns == "manual" else {}
    with running_server(Tones(), region="beijing") as server:
        async with live_client(server) as client:
            await client.send("session.update", session={**MANUAL, "audio": {"input": audio}})
            completed = []
            for _ in range(2):
                await client.append(SPEECH + (bytes(48_000 * 2) if turns == "vad" else b""))
                if turns == "manual":
                    await client.send("input_audio_buffer.commit")
                completed.append((await client.until(".completed"))[-1])
        cost = ""
        while billed == "tokens" and "compat_cost_dollars_total{" not in cost:
            await asyncio.sleep(0.01)
            cost = httpx2.get(server.base_url.replace("/v1", "/metrics")).text

    assert ["amber basil cedar"] * 2 == [event["transcript"] for event in completed]
    assert [billed] * 2 == [event["usage"]["type"] for event in completed]
    if billed == "tokens":
        assert all(event["usage"]["total_tokens"] > event["usage"]["output_tokens"] > 0 for event in completed)
        assert model in cost
    length = len(SPEECH) // 48 + (2000 if turns == "vad" else 0)
    starts = [[(length * turn + word.begin_ms) / 1000 for word in LAID] for turn in range(2)]
    timed = model != "qwen3-asr-flash-realtime"
    for event, begins in zip(completed, starts, strict=True):
        words = event["dashscope"].get("words", [])
        assert (begins if timed else []) == pytest.approx([word["start"] for word in words], abs=0.011)
        assert all(word["end"] > word["start"] and word["sentence_id"] >= 1 for word in words)
