from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from compat.emulator.engines.scripted import Scripted
from tests.house import House, house


@pytest.fixture(scope="module")
def home() -> Iterator[House]:
    with house(Scripted(()), aliases={"dictation": "fun-asr"}) as opened:
        yield opened


def test_the_list_contains_aliases_and_dashscope_s_ids(home: House) -> None:
    names = [model.id for model in home.client().models.list()]

    assert {"whisper-1", "gpt-4o-transcribe", "qwen3-asr-flash", "fun-asr", "paraformer-v2", "dictation"} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["whisper-1", "dictation", "fun-asr-2025-11-07", "openai/whisper-large-v3"])
def test_a_known_name_is_described(home: House, name: str) -> None:
    model = home.client().models.retrieve(name)

    assert (name, "model") == (model.id, model.object)


def test_an_unknown_name_is_not_found(home: House) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        home.client().models.retrieve("gpt-5")

    assert ("model_not_found", "model") == (raised.value.code, raised.value.param)
