from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from compat.catalogue import models, roads
from compat.catalogue.options import OPTIONS, WANTED, option
from compat.errors import BadRequest
from compat.transcript import Ask, Media, Option

SOUND = Media(
    path=Path("a"), size=1000, container="wav", mime="audio/wav", suffix=".wav", duration=10.0, rate=16_000, channels=1
)

READ: list[tuple[str, tuple[str, ...], Option]] = [
    ("enable_itn", ("true",), True),
    ("enable_itn", ("0",), False),
    ("speaker_count", (" 3 ",), 3),
    ("channel_id", ("0", "1"), [0, 1]),
    ("channel_id", ("[0,1]",), [0, 1]),
    ("channel_id", ("1",), [1]),
    ("channel_id", ("1", "0,1", "[1, 0]"), [1, 0]),
    ("language_hints", ('["zh", "en"]',), ["zh", "en"]),
    ("vocabulary_id", ("vocab-1",), "vocab-1"),
    ("special_word_filter", ('{"system_reserved_filter": true}',), {"system_reserved_filter": True}),
]


@pytest.mark.parametrize(("name", "values", "meant"), READ)
def test_what_callers_write_is_typed(name: str, values: tuple[str, ...], meant: Option) -> None:
    assert meant == option(name, values, as_text=False)


@pytest.mark.parametrize("levels", [65, 100_000])
def test_an_object_that_is_nested_too_deeply_is_none(levels: int) -> None:
    with pytest.raises(BadRequest, match="a JSON object"):
        option("special_word_filter", ('{"a":' * levels + "1" + "}" * levels,), as_text=False)


def test_an_object_may_have_to_stay_text() -> None:
    assert '{"a":1}' == option("special_word_filter", ('{"a":1}',), as_text=True)


@pytest.mark.parametrize("name", [name for name, kind in OPTIONS.items() if kind in WANTED])
def test_what_is_of_another_kind_is_refused_saying_which(name: str) -> None:
    with pytest.raises(BadRequest, match=WANTED[OPTIONS[name]]) as refused:
        option(name, ("perhaps",), as_text=False)

    assert name == refused.value.param


@pytest.mark.parametrize("name", ["speaker_count", "channel_id"])
@pytest.mark.parametrize("text", ["9" * 10, "9" * 5000, "-1", "1.5", "²"])
def test_a_number_is_a_short_whole_one(name: str, text: str) -> None:
    with pytest.raises(BadRequest, match=name):
        option(name, (text,), as_text=False)


@pytest.mark.parametrize("model", ["whisper-1", "fun-asr", "paraformer-v2", "qwen-audio-3.1-asr-flash-filetrans"])
@pytest.mark.parametrize(("channels", "named"), [(1, "1"), (1, "99"), (2, "0,2"), (2, "[1, 2]"), (6, "6")])
def test_a_channel_that_the_file_lacks_is_refused_by_name(model: str, channels: int, named: str) -> None:
    ask = Ask(model=model, extensions={"channel_id": (named,)})
    sound = msgspec.structs.replace(SOUND, channels=channels)
    taken = roads.road(ask, sound, region="beijing", aliases={}, longest=3600)

    with pytest.raises(BadRequest, match="channel_id names") as refused:
        roads.request(ask, sound, taken)
    assert ("channel_id", "invalid_value") == (refused.value.param, refused.value.code)


def test_of_audio_at_an_address_the_service_knows_the_channels() -> None:
    ask = Ask(model="fun-asr", url="https://a.fm/a.mp3", extensions={"channel_id": ("99",)})
    sound = msgspec.structs.replace(SOUND, channels=0, url=ask.url)
    taken = roads.road(ask, sound, region="beijing", aliases={}, longest=3600)

    assert [99] == roads.request(ask, sound, taken)[0].options["channel_id"]


@pytest.mark.parametrize("guides", [("prompt",), ("keywords",), ("prompt", "keywords")])
def test_what_a_model_cannot_be_guided_by_is_named_as_it_was_sent(guides: tuple[str, ...]) -> None:
    ask = Ask(model="paraformer-v2", context="Bulge", guides=guides)
    taken = roads.road(ask, SOUND, region="beijing", aliases={}, longest=3600)

    assert guides == roads.request(ask, SOUND, taken)[1]


def test_an_operator_s_name_is_found_in_any_case_and_before_others() -> None:
    own = {"My-Dep": "fun-asr", "whisper-1": "paraformer-v2"}

    assert ["fun-asr", "fun-asr", "paraformer-v2"] == [
        models.resolve(name, own)[0] for name in ("My-Dep", "MY-DEP", "Whisper-1")
    ]
