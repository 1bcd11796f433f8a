"""Options that an operator's alias sets."""

from __future__ import annotations

import pytest

from compat.catalogue import models, presets
from compat.errors import BadRequest
from compat.transcript import Ask

OWN = {
    "Books": "fun-asr?vocabulary_id=vocab-1&language_hints=zh&language_hints=en",
    "gpt-4o-transcribe-diarize": "fun-asr?speaker_count=2",
    "weights": "qwen-audio-3.1-asr-flash?vocabulary=%7B%22Qwen%22:5%7D",
    "live": "fun-asr-realtime?vocabulary_id=vocab-1",
    "plain": "fun-asr",
}


@pytest.mark.parametrize(
    ("name", "model", "options"),
    [
        ("Books", "fun-asr", {"vocabulary_id": ("vocab-1",), "language_hints": ("zh", "en")}),
        ("books", "fun-asr", {"vocabulary_id": ("vocab-1",), "language_hints": ("zh", "en")}),
        ("weights", "qwen-audio-3.1-asr-flash", {"vocabulary": ('{"Qwen":5}',)}),
        ("live", "fun-asr-realtime", {"vocabulary_id": ("vocab-1",)}),
        ("plain", "fun-asr", {}),
        ("whisper-1", "qwen3-asr-flash", {}),
    ],
)
def test_an_alias_has_a_model_and_options(name: str, model: str, options: dict[str, tuple[str, ...]]) -> None:
    assert model == models.resolve(name, OWN)[0]
    assert options == presets.presets(name, OWN)
    assert options == presets.applied(Ask(model=name), OWN).extensions


def test_a_client_s_fields_take_precedence() -> None:
    ask = Ask(model="books", extensions={"vocabulary_id": ("vocab-2",)})

    assert ("vocab-2",) == presets.applied(ask, OWN).extensions["vocabulary_id"]


def test_speaker_diarization_has_the_options_of_its_alias() -> None:
    ask = Ask(model="whisper-1", response_format="diarized_json")

    assert {"speaker_count": ("2",)} == presets.applied(ask, OWN).extensions


@pytest.mark.parametrize("alias", OWN)
def test_valid_options_pass(alias: str) -> None:
    presets.check(alias, OWN)


REFUSED = [
    "whisper-1?vocabulary_id=vocab-1",
    "qwen3-asr-flash-realtime?vocabulary_id=vocab-1",
    "paraformer-v1?vocabulary_id=vocab-1",
    "fun-asr?vocabulary=%7B%7D",
    "fun-asr?prompt=Qwen",
    "fun-asr?speaker_count=two",
    "fun-asr?vocabulary_id=",
    "fun-asr?vocabulary_id",
    "fun-asr?channel_id=0&vocabulary_id=",
    "fun-asr?",
]


@pytest.mark.parametrize("target", REFUSED)
def test_an_option_that_would_have_no_effect_is_refused(target: str) -> None:
    with pytest.raises(BadRequest):
        presets.check("mine", {"mine": target})
