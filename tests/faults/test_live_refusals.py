"""Refusals of a live model by the service: the error names the setting to check."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compat.emulator.faults import Fault, Live, Refuse, Rule
from compat.emulator.live_faults import Reject
from tests.endpoints.live import live_client, live_server
from tests.running import RunningServer


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with live_server("hello there") as opened:
        yield opened


DENIED = Live((Reject(code="Model.AccessDenied", message="Access denied."),))


@pytest.mark.parametrize(
    ("model", "fault", "code", "setting"),
    [
        ("qwen-audio-3.1-asr-flash-streaming", DENIED, "permission_denied", "DASHSCOPE_WORKSPACE_ID"),
        (
            "qwen-audio-3.1-asr-flash-message",
            Refuse(403, "AccessDenied"),
            "permission_denied",
            "DASHSCOPE_WORKSPACE_ID",
        ),
        ("fun-asr-realtime", DENIED, "permission_denied", "DASHSCOPE_REGION"),
        ("fun-asr-realtime", Refuse(401, "InvalidApiKey"), "invalid_api_key", "DASHSCOPE_REGION"),
    ],
)
async def test_a_refused_live_model_names_the_setting_to_check(
    server: RunningServer, model: str, fault: Fault, code: str, setting: str
) -> None:
    server.fail(Rule("inference", fault, times=None))
    audio = {"input": {"transcription": {"model": model}}}
    async with live_client(server) as client:
        await client.send("session.update", session={"type": "transcription", "audio": audio})
        await client.append(bytes(9600))
        events, close = await client.until_closed()

    [error] = [event["error"] for event in events if event["type"] == "error"]
    param = "session.audio.input.transcription.model" if code == "permission_denied" else None
    assert (code, param, 1011) == (error["code"], error["param"], close.code)
    assert setting in error["message"]
