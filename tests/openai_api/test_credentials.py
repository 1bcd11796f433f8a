from __future__ import annotations

import pytest

from compat.openai_api.credentials import key_shown, trouble, usable

KEYS: list[tuple[list[str], str, str]] = [
    # values of Authorization, value of api-key → key
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


@pytest.mark.parametrize(("authorization", "otherwise", "key"), KEYS)
def test_the_key_in_the_headers(authorization: list[str], otherwise: str, key: str) -> None:
    assert key == key_shown(authorization, otherwise)


TROUBLES = [
    ([], None),
    (["Bearer a"], None),
    ([""], None),
    (["a"], "scheme"),
    (["Bearer a", "Bearer b"], "more than once"),
]


@pytest.mark.parametrize(("authorization", "reason"), TROUBLES)
def test_an_invalid_authorization_header_is_explained(authorization: list[str], reason: str | None) -> None:
    message = trouble(authorization)

    assert message is None if reason is None else reason in str(message)


@pytest.mark.parametrize(
    ("key", "good"), [("sk-1", True), ("\xe9", False), ("a b", False), ("a\tb", False), ("a\n", False)]
)
def test_a_key_must_be_valid_in_a_header(key: str, good: bool) -> None:
    assert good == usable(key)
