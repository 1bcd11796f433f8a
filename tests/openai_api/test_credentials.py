from __future__ import annotations

import pytest

from compat.openai_api.credentials import shown, trouble, usable

SHOWN: list[tuple[list[str], str, str]] = [
    # Authorization, the other header, the key
    (["Bearer a"], "", "a"),
    (["bearer a"], "", "a"),
    (["BEARER   a "], "", "a"),
    ([" Bearer a"], "", "a"),
    (["Bearer a", "Bearer a"], "", "a"),
    (["Bearer a", "Basic b"], "", "a"),
    (["Bearer a"], "b", "a"),
    (["Bearer \xe9"], "", "\xe9"),
    ([], "", ""),
    ([], " b ", "b"),
    ([""], "b", "b"),
    (["Bearer"], "", ""),
    (["Bearer "], "b", "b"),
    (["a"], "", ""),
    (["Basic YTpi"], "b", "b"),
    (["Bearer a", "Bearer b"], "", ""),
    (["Bearera"], "", ""),
]


@pytest.mark.parametrize(("authorization", "otherwise", "key"), SHOWN)
def test_a_key_is_found(authorization: list[str], otherwise: str, key: str) -> None:
    assert key == shown(authorization, otherwise)


TROUBLES = [
    ([], None),
    (["Bearer a"], None),
    ([""], None),
    (["a"], "scheme"),
    (["Bearer a", "Bearer b"], "more than once"),
]


@pytest.mark.parametrize(("authorization", "reason"), TROUBLES)
def test_what_shows_no_key_is_explained(authorization: list[str], reason: str | None) -> None:
    told = trouble(authorization)

    assert told is None if reason is None else reason in str(told)


@pytest.mark.parametrize(
    ("key", "good"), [("sk-1", True), ("\xe9", False), ("a b", False), ("a\tb", False), ("a\n", False)]
)
def test_what_a_header_cannot_hold_is_no_key(key: str, good: bool) -> None:
    assert good == usable(key)
