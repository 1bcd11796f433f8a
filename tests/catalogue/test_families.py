"""The models behind OpenAI's names for files, by the operator's setting."""

from __future__ import annotations

import msgspec
import pytest

from compat.catalogue import models, roads
from compat.catalogue.aliases import ALIASES, FAMILIES
from compat.config.parsers import Family, LongRoad
from compat.errors import BadRequest
from compat.transcript import Ask, Media
from tests.catalogue.test_models import media

HOUR = 3600.0
FLASH, FILES = "qwen-audio-3.1-asr-flash", "qwen-audio-3.1-asr-flash-filetrans"
AUTO: LongRoad = "auto"


def road(
    ask: Ask, sound: Media, long_road: LongRoad = AUTO, aliases: dict[str, str] | None = None, region: str = "beijing"
) -> roads.Road:
    return roads.road(
        ask,
        sound,
        region=region,
        aliases=aliases or {},
        longest=12 * HOUR,
        long_road=long_road,
        family="qwen-audio-3.1",
    )


ASKS: list[tuple[Ask, float, LongRoad, str, str]] = [
    # requested, seconds, the operator's setting for long audio → model, surface
    (Ask(model="whisper-1"), 10, AUTO, FLASH, "generation-audio"),
    (Ask(model="gpt-4o-transcribe"), 300, AUTO, FLASH, "generation-audio"),
    (Ask(model="gpt-4o-mini-transcribe-2025-12-15", stream=True), 10, AUTO, FLASH, "generation-audio"),
    (Ask(model="openai/whisper-large-v3"), 10, AUTO, FLASH, "generation-audio"),
    (Ask(model="Systran/faster-whisper-small"), 10, AUTO, FLASH, "generation-audio"),
    (Ask(model="whisper-1", response_format="verbose_json"), 10, AUTO, FLASH, "generation-audio"),
    (Ask(model="gpt-transcribe", response_format="srt"), 10, AUTO, FLASH, "generation-audio"),
    (Ask(model="whisper-1"), 301, AUTO, FILES, "filetrans-3"),
    (Ask(model="whisper-1", response_format="vtt"), HOUR, AUTO, FILES, "filetrans-3"),
    (Ask(model="whisper-1", stream=True), 301, AUTO, FLASH, "pieces"),
    (Ask(model="whisper-1"), 301, "pieces", FLASH, "pieces"),
    (Ask(model="whisper-1", stream=True), 301, "filetrans", FILES, "filetrans-3"),
    (Ask(model="gpt-4o-transcribe-diarize"), 10, AUTO, FILES, "filetrans-3"),
    (Ask(model="gpt-4o-transcribe-diarize", response_format="diarized_json"), HOUR, AUTO, FILES, "filetrans-3"),
    (Ask(model="whisper-1", response_format="diarized_json"), 10, AUTO, FILES, "filetrans-3"),
    (Ask(model="whisper-1", response_format="diarized_json", stream=True), 301, "pieces", FILES, "filetrans-3"),
    (Ask(model="whisper-1", extensions={"channel_id": ("0",)}), 10, AUTO, FILES, "filetrans-3"),
    (
        Ask(model="whisper-1", response_format="verbose_json", extensions={"diarization_enabled": ("true",)}),
        10, AUTO, FILES, "filetrans-3",
    ),
    (Ask(model="qwen3-asr-flash"), 10, AUTO, "qwen3-asr-flash", "chat"),
    (Ask(model="Qwen/Qwen3-ASR-1.7B"), 301, AUTO, "qwen3-asr-flash-filetrans", "filetrans"),
    (Ask(model="fun-asr"), 10, AUTO, "fun-asr", "transcription"),
    (Ask(model="qwen-audio-3.0-asr-flash"), 301, AUTO, "qwen-audio-3.0-asr-flash-filetrans", "filetrans-3"),
    (
        Ask(model="qwen-audio-3.0-asr-flash", response_format="diarized_json"),
        10, AUTO, "qwen-audio-3.0-asr-flash-filetrans", "filetrans-3",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "seconds", "long_road", "model", "surface"), ASKS)
def test_one_setting_puts_the_family_behind_openai_s_names(
    ask: Ask, seconds: float, long_road: LongRoad, model: str, surface: str
) -> None:
    taken = road(ask, media(seconds=seconds), long_road)

    assert (model, surface, False) == (taken.model, taken.surface, taken.refit)


def test_a_url_goes_to_the_family_s_model_for_files() -> None:
    remote = msgspec.structs.replace(media(seconds=0, size=0, container=""), url="https://a.fm/a.mp3")

    assert FILES == road(Ask(model="whisper-1", url=remote.url), remote).model


@pytest.mark.parametrize(
    ("aliases", "model"),
    [
        ({"whisper-1": "paraformer-v2"}, "paraformer-v2"),
        ({"gpt-4o-transcribe-diarize": "fun-asr"}, "fun-asr"),
        ({"gpt-4o-transcribe-diarize": "qwen-audio-3.0-asr-flash"}, "qwen-audio-3.0-asr-flash-filetrans"),
    ],
)
def test_the_operator_s_own_models_take_precedence(aliases: dict[str, str], model: str) -> None:
    ask = Ask(model="whisper-1", response_format="diarized_json")

    assert model == road(ask, media(), aliases=aliases).model


def test_files_that_the_service_cannot_fetch_move_to_pieces() -> None:
    ask = Ask(model="whisper-1", prompt="Bulge", language="fil")
    taken = road(ask, media(seconds=301))
    other = roads.instead(roads.request(ask, media(seconds=301), taken)[0])

    assert other is not None
    assert (FLASH, "pieces", "Bulge", "tl") == (other.model, other.surface, other.context, other.language)
    assert "generation-audio" == roads.piece(other, media(seconds=100)).surface


def test_the_language_of_pieces_is_the_code_of_the_model_s_surface() -> None:
    ask = Ask(model="whisper-1", language="fil", stream=True)
    taken = road(ask, media(seconds=301))

    assert "tl" == roads.request(ask, media(seconds=301), taken)[0].language


@pytest.mark.parametrize("family", list(FAMILIES))
def test_live_speech_and_the_listed_names_do_not_depend_on_the_family(family: Family) -> None:
    assert models.names({}, "singapore") == models.names({}, "singapore", family)
    assert "qwen3-asr-flash-realtime" == models.live("whisper-1", region="beijing", aliases={})


@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_model_of_a_family_stands_for_one_behind_an_alias(family: Family) -> None:
    assert set(FAMILIES[family]) <= set(ALIASES.values())
    assert all(models.resolve(model, {})[1].surface for model in FAMILIES[family].values())


def test_a_region_without_the_family_is_named() -> None:
    with pytest.raises(BadRequest, match=f"{FLASH} is not offered in the region us") as refused:
        road(Ask(model="whisper-1"), media(), region="us")

    assert "model" == refused.value.param
