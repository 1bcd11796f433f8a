from __future__ import annotations

import pytest

from compat.errors import BadRequest
from compat.options import OPTIONS, WANTED, option
from compat.transcript import Option

READ: list[tuple[str, tuple[str, ...], Option]] = [
    ("enable_itn", ("true",), True),
    ("enable_itn", ("0",), False),
    ("speaker_count", (" 3 ",), 3),
    ("channel_id", ("0", "1"), [0, 1]),
    ("channel_id", ("[0,1]",), [0, 1]),
    ("channel_id", ("1",), [1]),
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
