"""The live model behind OpenAI's names: the default, the operator's, and that of a key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.endpoints.live import MANUAL, live_client, live_server
from tests.running import RunningServer

KEYS = """
usual sk-usual-1
fun   sk-fun-111  live=fun-asr-realtime
wrong sk-wrong-1  live=fun-asr
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(KEYS)
    with live_server(*["hello"] * 9, api_keys_file=Path(keys), live_model="paraformer-realtime-v2") as opened:
        yield opened


@pytest.mark.parametrize(
    ("key", "name", "model"),
    [
        ("sk-usual-1", None, "paraformer-realtime-v2"),
        ("sk-usual-1", "gpt-4o-transcribe", "paraformer-realtime-v2"),
        ("sk-usual-1", "qwen3-asr-flash-realtime", "qwen3-asr-flash-realtime"),
        ("sk-fun-111", None, "fun-asr-realtime"),
        ("sk-fun-111", "gpt-live-transcribe", "fun-asr-realtime"),
        ("sk-fun-111", "paraformer-realtime-v1", "paraformer-realtime-v1"),
    ],
)
async def test_a_name_selects_the_model_of_the_key_or_the_operator(
    server: RunningServer, key: str, name: str | None, model: str
) -> None:
    audio = {"input": {"turn_detection": None, **({"transcription": {"model": name}} if name else {})}}
    async with live_client(server, additional_headers={"Authorization": f"Bearer {key}"}) as client:
        await client.send("session.update", session={**MANUAL, "audio": audio})
        updated = (await client.until("session.updated"))[-1]["session"]
        assert "hello" == await client.turn()

    assert model == updated["dashscope"]["model"]


async def test_a_key_whose_model_takes_no_live_speech_is_refused(server: RunningServer) -> None:
    with pytest.raises(InvalidStatus, match="400"):
        async with live_client(server, additional_headers={"Authorization": "Bearer sk-wrong-1"}):
            pass
