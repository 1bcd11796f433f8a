"""GET /v1/dashscope/usage, after real requests."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types.admin.organization import UsageAudioTranscriptionsResponse

from compat.emulator.engine import Hypothesis
from compat.emulator.engines.scripted import Scripted
from tests.endpoints.live import MANUAL, SPEECH, live_client
from tests.running import RunningServer, running_server

KEYS = "alice sk-alice-1\nbob sk-bob-123 rest\nroot sk-root-1 rest,admin\n"


def spent(server: RunningServer, key: str = "sk-root-1", **query: str) -> list[dict[str, Any]]:
    """Return the results of the last day."""
    answer = httpx2.get(
        f"{server.base_url}/dashscope/usage", params=query, headers={"authorization": f"Bearer {key}"}
    ).raise_for_status()
    results: list[dict[str, Any]] = answer.json()["data"][-1]["results"]
    return results


async def test_usage_is_counted_by_key_and_model(speech: bytes, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(KEYS)
    engine = Scripted(hypotheses=[[Hypothesis("so it goes")]])
    with running_server(engine, api_keys_file=tmp_path / "keys", region="beijing") as server:
        for key in ("sk-alice-1", "sk-alice-1", "sk-bob-123"):
            server.client(key).audio.transcriptions.create(model="whisper-1", file=("a.wav", speech))
        with pytest.raises(openai.BadRequestError):
            server.client("sk-bob-123").audio.transcriptions.create(model="whisper-1", file=("a.wav", b"\0" * 50))
        async with live_client(server, additional_headers={"authorization": "Bearer sk-alice-1"}) as client:
            await client.send("session.update", session=MANUAL)
            await client.turn()
        live: list[dict[str, Any]] = []
        while not live:
            await asyncio.sleep(0.01)
            live = spent(server, group_by="model,api_key_id", models="qwen3-asr-flash-realtime")
        files = spent(server, group_by="model,api_key_id", models="qwen3-asr-flash")
        page = server.client("sk-root-1").get("/dashscope/usage", cast_to=UsageAudioTranscriptionsResponse)
        refused = [
            httpx2.get(f"{server.base_url}/dashscope/usage", headers={"authorization": f"Bearer {key}"}).status_code
            for key in ("sk-alice-1", "sk-nobody")
        ]

    assert [("alice", 2, 6.0), ("bob", 1, 3.0)] == [
        (result["api_key_id"], result["num_model_requests"], result["seconds"]) for result in files
    ]
    assert files[0]["cost"]["value"] == pytest.approx(6 * 0.000032)
    assert ("alice", 1) == (live[0]["api_key_id"], live[0]["num_model_requests"])
    assert len(SPEECH) / 48_000 == pytest.approx(live[0]["seconds"], abs=0.001)
    assert [403, 401] == refused
    assert "page" == page.object


def test_usage_is_written_when_the_server_stops(speech: bytes, tmp_path: Path) -> None:
    place = tmp_path / "jobs.sqlite"
    with running_server(Scripted(hypotheses=[[Hypothesis("so it goes")]]), store=str(place)) as server:
        server.client().audio.transcriptions.create(model="whisper-1", file=("a.wav", speech))
    with contextlib.closing(sqlite3.connect(place)) as db:
        rows = db.execute("SELECT client, model, requests, seconds FROM spent").fetchall()

    assert [("anyone", "qwen3-asr-flash", 1, 3.0)] == rows


async def test_a_client_with_its_own_account_sees_its_own_usage(speech: bytes) -> None:
    with running_server(Scripted(hypotheses=[[Hypothesis("so it goes")]]), pass_key=True) as server:
        server.client("sk-own-1").audio.transcriptions.create(model="whisper-1", file=("a.wav", speech))
        own = [spent(server, key, api_key_ids="anyone", group_by="api_key_id") for key in ("sk-own-1", "sk-own-2")]

    assert [[1], []] == [[result["num_model_requests"] for result in results] for results in own]
    assert "sk-own" not in str(own)
