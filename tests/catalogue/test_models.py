from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compat.catalogue import live, models, translators
from compat.errors import BadRequest, ModelNotFound
from compat.transcript import Media


def media(*, seconds: float = 10.0, size: int = 1000, container: str = "wav") -> Media:
    return Media(
        path=Path("upload"),
        size=size,
        container=container,
        mime=f"audio/{container}",
        suffix=f".{container}",
        duration=seconds,
        rate=16000,
        channels=1,
    )


WHISPERS = """
whisper whisper-1 Whisper-1 whisper-1-hd openai/whisper-1 azure/whisper whisper-large-v3 whisper-v3
whisper-large-v3-turbo whisper-large-v3-turbo-q5_0
openai/whisper-large-v3 openai/whisper-tiny.en Systran/faster-whisper-large-v3
Systran/faster-whisper-tiny.en Systran/faster-distil-whisper-large-v3 guillaumekln/faster-whisper-base
deepdml/faster-whisper-large-v3-turbo-ct2 distil-whisper/distil-large-v3 distil-whisper-large-v3-en distil-large-v3.5
distil-small.en distil-medium.en mlx-community/whisper-large-v3-mlx KBLab/kb-whisper-large my-whisper-deployment
tiny tiny.en base base.en small medium medium.en large large-v1 large-v2 large-v3 large-v3-turbo turbo
openai/gpt-4o-transcribe gpt-4o-transcribe-2025-03-20 gpt-4o-mini-transcribe-2025-12-15 gpt-transcribe GPT-Transcribe
qwen3-asr Qwen3-ASR Qwen/Qwen3-ASR-1.7B Qwen/Qwen3-ASR-0.6B qwen3-asr-1.7b qwen3-asr:0.6b Qwen/Qwen3-ASR-1.7B-hf
mlx-community/Qwen3-ASR-0.6B-8bit qwen/qwen3-asr-flash dashscope/qwen3-asr-flash Qwen/Qwen3-ASR-Flash
ggml-large-v3 ggml-base.en.bin models/ggml-large-v3-turbo-q5_0.bin ggml-small.en-tdrz large-v3-turbo-q8_0 tiny-q5_1
""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", WHISPERS)
def test_openai_and_whisper_names_resolve_for_files_and_realtime(name: str) -> None:
    assert "qwen3-asr-flash" == models.resolve(name, {})[0]
    assert "qwen3-asr-flash-realtime" == models.live(name, region="beijing", aliases={})


OTHERS = [
    ("gpt-4o-transcribe-diarize-2025-10-15", "fun-asr"),
    ("openai/gpt-4o-transcribe-diarize", "fun-asr"),
    ("gpt-realtime-whisper-2026-08-01", "qwen3-asr-flash-realtime"),
    ("gpt-live-transcribe-2026-08-01", "qwen3-asr-flash-realtime"),
    ("qwen3-asr-flash-2026-02-10", "qwen3-asr-flash-2026-02-10"),
    ("base", "paraformer-v2"),
    ("FUN-ASR", "fun-asr"),
    ("alibaba/qwen3-asr-flash-filetrans", "qwen3-asr-flash-filetrans"),
    ("Qwen3-ASR-Flash-2026-02-10", "qwen3-asr-flash-2026-02-10"),
    ("vendor/Paraformer-v2", "paraformer-v2"),
]


@pytest.mark.parametrize(("name", "model"), OTHERS)
def test_similar_names_resolve_separately_and_operator_aliases_take_precedence(name: str, model: str) -> None:
    assert model == models.resolve(name, {"base": "paraformer-v2"})[0]


@pytest.mark.parametrize(
    "name",
    ["gpt-4o", "basement", "larger", "ggml-llama", "large-q", "qwen3", "qwen3-asr-toolkit", "nvidia/parakeet", "", "/"],
)
def test_an_unknown_name_raises_model_not_found(name: str) -> None:
    with pytest.raises(ModelNotFound, match="COMPAT_MODEL_ALIASES"):
        models.resolve(name, {})


def test_a_deployment_resolves_to_its_own_name_or_the_first_known_model() -> None:
    aliases = {"mine": "fun-asr"}

    assert "mine" == models.deployed("mine", ["whisper-1"], aliases)
    assert "whisper-1" == models.deployed("prod", ["prod", "whisper-1"], aliases)
    with pytest.raises(ModelNotFound, match=r"COMPAT_MODEL_ALIASES=prod=qwen3-asr-flash"):
        models.deployed("prod", ["gpt-5"], aliases)


OPENAI = "whisper-1 gpt-transcribe gpt-4o-transcribe gpt-4o-mini-transcribe gpt-4o-mini-transcribe-2025-12-15"


def test_every_name_in_openai_s_schema_is_listed() -> None:
    assert {*OPENAI.split(), "gpt-4o-transcribe-diarize"} <= set(models.names({}))


@pytest.mark.parametrize("name", models.names({"mine": "fun-asr"}))
def test_every_listed_name_resolves(name: str) -> None:
    model, row = models.resolve(name, {"mine": "fun-asr"})

    assert model
    assert row in models.MODELS


LIVE = [  # name → model
    ("whisper-1", "qwen3-asr-flash-realtime"),
    ("gpt-4o-transcribe", "qwen3-asr-flash-realtime"),
    ("gpt-realtime-whisper", "qwen3-asr-flash-realtime"),
    ("gpt-live-transcribe", "qwen3-asr-flash-realtime"),
    ("qwen3-asr-flash", "qwen3-asr-flash-realtime"),
    ("qwen3-asr-flash-realtime-2026-02-10", "qwen3-asr-flash-realtime-2026-02-10"),
    ("captions", "qwen3-asr-flash-realtime"),
]


@pytest.mark.parametrize(("name", "model"), LIVE)
def test_a_name_resolves_to_its_realtime_model(name: str, model: str) -> None:
    assert model == models.live(name, region="singapore", aliases={"captions": "whisper-1"})


@pytest.mark.parametrize("row", live.MODELS, ids=lambda row: row.pattern)
def test_every_live_model_resolves_to_itself(row: live.LiveModel) -> None:
    find = models.translator if row.protocol == "livetranslate" else models.live
    for name in row.known:
        assert name == find(f"dashscope/{name.upper()}", region="beijing", aliases={}, preferred="fun-asr-realtime")
        assert models.resolve(name, {})[1].surface is None


TRANSLATORS = [
    ("gpt-realtime-translate", "qwen3.8-livetranslate-flash-realtime"),
    ("GPT-realtime-translate-2026-05-01", "qwen3.8-livetranslate-flash-realtime"),
    ("openai/gpt-realtime-translate", "qwen3.8-livetranslate-flash-realtime"),
    ("qwen3-livetranslate-flash-realtime-2025-09-22", "qwen3-livetranslate-flash-realtime-2025-09-22"),
    ("qwen-mt-plus", "qwen-mt-plus"),
    ("interpreter", "qwen3.5-livetranslate-flash-realtime"),
]


@pytest.mark.parametrize(("name", "model"), TRANSLATORS)
def test_a_name_resolves_to_its_model_for_live_translation(name: str, model: str) -> None:
    aliases = {"interpreter": "qwen3.5-livetranslate-flash-realtime"}
    preferred = "qwen3.8-livetranslate-flash-realtime"
    assert model == models.translator(name, region="singapore", aliases=aliases, preferred=preferred)


@pytest.mark.parametrize(
    ("find", "name", "message"),
    [
        (models.translator, "whisper-1", "does not translate live speech; use gpt-realtime-translate"),
        (models.translator, "qwen3-asr-flash-realtime", "does not translate live speech"),
        (models.translator, "qwen3.5-livetranslate-flash-realtime", "not offered in the region us"),
        (models.live, "gpt-realtime-translate", "Live translation is at /v1/realtime/translations"),
    ],
)
def test_a_model_that_does_something_else_is_refused(find: Any, name: str, message: str) -> None:  # noqa: ANN401
    with pytest.raises(BadRequest, match=message) as refused:
        find(name, region="us", aliases={}, preferred=translators.DEFAULT)
    assert refused.value.param == "model"


def test_the_preferred_live_model_answers_for_openai_names_only() -> None:
    aliases = {"captions": "whisper-1", "mine": "qwen3-asr-flash-realtime"}
    names = ("whisper-1", "gpt-live-transcribe", "gpt-4o-transcribe", "captions", "mine", "qwen3-asr-flash-realtime")

    found = [models.live(name, region="beijing", aliases=aliases, preferred="fun-asr-realtime") for name in names]

    assert ["fun-asr-realtime"] * 4 + ["qwen3-asr-flash-realtime"] * 2 == found


@pytest.mark.parametrize(
    ("name", "region", "message"),
    [
        ("fun-asr", "beijing", "use gpt-live-transcribe or qwen3-asr-flash-realtime"),
        ("gummy-realtime-v1", "beijing", "use gpt-live-transcribe or qwen3-asr-flash-realtime"),
        ("paraformer-realtime-v2", "singapore", "use Beijing"),
        ("qwen3-asr-flash-filetrans", "beijing", "use gpt-live-transcribe or qwen3-asr-flash-realtime"),
        ("whisper-1", "us", "use Beijing or Singapore"),
    ],
)
def test_a_refused_realtime_model_is_answered_with_an_alternative(name: str, region: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        models.live(name, region=region, aliases={})


def test_an_unknown_realtime_model_raises_model_not_found() -> None:
    with pytest.raises(ModelNotFound):
        models.live("gpt-9", region="beijing", aliases={})
