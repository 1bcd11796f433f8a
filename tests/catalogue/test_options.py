from __future__ import annotations

import msgspec
import pytest

from compat.catalogue import models, roads
from compat.catalogue.options import OPTIONS, WANTED, option
from compat.errors import BadRequest
from compat.transcript import Ask, Option
from tests.catalogue.test_models import media

VALUES: list[tuple[str, tuple[str, ...], Option]] = [  # option, form values → typed value
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


@pytest.mark.parametrize(("name", "values", "typed"), VALUES)
def test_form_values_are_typed(name: str, values: tuple[str, ...], typed: Option) -> None:
    assert typed == option(name, values, as_text=False)


@pytest.mark.parametrize("levels", [65, 100_000])
def test_a_too_deeply_nested_object_is_refused(levels: int) -> None:
    with pytest.raises(BadRequest, match="a JSON object"):
        option("special_word_filter", ('{"a":' * levels + "1" + "}" * levels,), as_text=False)


def test_an_object_stays_text_on_request() -> None:
    assert '{"a":1}' == option("special_word_filter", ('{"a":1}',), as_text=True)


@pytest.mark.parametrize("name", [name for name, kind in OPTIONS.items() if kind in WANTED])
def test_a_value_of_the_wrong_type_is_refused_naming_the_type(name: str) -> None:
    with pytest.raises(BadRequest, match=WANTED[OPTIONS[name]]) as refused:
        option(name, ("perhaps",), as_text=False)

    assert name == refused.value.param


@pytest.mark.parametrize("name", ["speaker_count", "channel_id"])
@pytest.mark.parametrize("text", ["9" * 10, "9" * 5000, "-1", "1.5", "²"])
def test_only_short_whole_numbers_are_accepted(name: str, text: str) -> None:
    with pytest.raises(BadRequest, match=name):
        option(name, (text,), as_text=False)


@pytest.mark.parametrize("model", ["whisper-1", "fun-asr", "paraformer-v2", "qwen-audio-3.1-asr-flash-filetrans"])
@pytest.mark.parametrize(("channels", "named"), [(1, "1"), (1, "99"), (2, "0,2"), (2, "[1, 2]"), (6, "6")])
def test_a_channel_that_the_file_lacks_is_refused(model: str, channels: int, named: str) -> None:
    ask = Ask(model=model, extensions={"channel_id": (named,)})
    sound = msgspec.structs.replace(media(), channels=channels)
    taken = roads.road(ask, sound, region="beijing", aliases={}, longest=3600)

    with pytest.raises(BadRequest, match=r"channel_id .* does not exist") as refused:
        roads.request(ask, sound, taken)
    assert ("channel_id", "invalid_value") == (refused.value.param, refused.value.code)


def test_channels_of_audio_at_a_url_are_not_checked() -> None:
    ask = Ask(model="fun-asr", url="https://a.fm/a.mp3", extensions={"channel_id": ("99",)})
    sound = msgspec.structs.replace(media(), channels=0, url=ask.url)
    taken = roads.road(ask, sound, region="beijing", aliases={}, longest=3600)

    assert [99] == roads.request(ask, sound, taken)[0].options["channel_id"]


@pytest.mark.parametrize("guides", [("prompt",), ("keywords",), ("prompt", "keywords")])
def test_an_unsupported_context_is_reported_by_the_parameters_sent(guides: tuple[str, ...]) -> None:
    keywords = ("Bulge",) if "keywords" in guides else ()
    ask = Ask(model="paraformer-v2", prompt="Bulge" if "prompt" in guides else "", keywords=keywords)
    taken = roads.road(ask, media(), region="beijing", aliases={}, longest=3600)

    assert guides == roads.request(ask, media(), taken)[1]


def test_operator_aliases_are_case_insensitive_and_take_precedence() -> None:
    own = {"My-Dep": "fun-asr", "whisper-1": "paraformer-v2"}

    assert ["fun-asr", "fun-asr", "paraformer-v2"] == [
        models.resolve(name, own)[0] for name in ("My-Dep", "MY-DEP", "Whisper-1")
    ]
