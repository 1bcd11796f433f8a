from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from compat.emulator.engines.scripted import Scripted
from tests.running import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Scripted(()), aliases={"dictation": "fun-asr"}) as opened:
        yield opened


def test_the_list_contains_aliases_and_dashscope_s_ids(server: RunningServer) -> None:
    names = [model.id for model in server.client().models.list()]

    assert {"whisper-1", "gpt-4o-transcribe", "qwen3-asr-flash", "fun-asr", "paraformer-v2", "dictation"} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["whisper-1", "dictation", "fun-asr-2025-11-07", "openai/whisper-large-v3"])
def test_a_known_name_is_described(server: RunningServer, name: str) -> None:
    model = server.client().models.retrieve(name)

    assert (name, "model") == (model.id, model.object)


def test_an_unknown_name_is_not_found(server: RunningServer) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        server.client().models.retrieve("gpt-5")

    assert ("model_not_found", "model") == (raised.value.code, raised.value.param)
