from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest

from compat.openai_api import shapes


class Inner(msgspec.Struct):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, msgspec.Meta(ge=10, le=7200)] = 600
    words: list[str] | None = None
    threshold: float = 0.5
    on: bool = False
    counts: dict[str, int] | None = None


class Outer(msgspec.Struct):
    type: str
    inner: Inner | None = None


ERRORS = [  # JSON, path, sentence
    ('{"type": "a", "inner": {"seconds": 9}}', "inner.seconds", "inner.seconds should be at least 10"),
    ('{"type": "a", "inner": {"seconds": 7201}}', "inner.seconds", "inner.seconds should be at most 7200"),
    ('{"type": "a", "inner": {"seconds": "9"}}', "inner.seconds", "inner.seconds should be a whole number"),
    ('{"type": "a", "inner": {"anchor": "now"}}', "inner.anchor", "inner.anchor 'now' is not supported"),
    ('{"type": "a", "inner": {"threshold": "x"}}', "inner.threshold", "inner.threshold should be a number"),
    ('{"type": "a", "inner": {"on": 1}}', "inner.on", "inner.on should be true or false"),
    ('{"type": "a", "inner": {"words": "x"}}', "inner.words", "inner.words should be a list or null"),
    ('{"type": "a", "inner": {"words": ["x", 1]}}', "inner.words[1]", "inner.words[1] should be a string"),
    ('{"type": "a", "inner": 60}', "inner", "inner should be an object or null"),
    (
        '{"type": "a", "inner": {"counts": {"x": "y"}}}',
        "inner.counts",
        "each value of inner.counts should be a whole number",
    ),
    ('{"inner": null}', "type", "type is missing"),
    ("[]", "", "the body should be an object"),
]


@pytest.mark.parametrize(("json", "path", "sentence"), ERRORS)
def test_an_error_of_msgspec_becomes_a_sentence_about_the_field(json: str, path: str, sentence: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(json, type=Outer)

    assert (path, sentence) == (shapes.path(str(refused.value)), shapes.reason(str(refused.value)))
