from __future__ import annotations

from collections.abc import Callable

import pytest

from compat import values

READ: list[tuple[Callable[[str], object], str, object]] = [
    (values.text, " a ", "a"),
    (values.many, "a, b,,", ("a", "b")),
    (values.aliases, "mine=fun-asr, yours = x", {"mine": "fun-asr", "yours": "x"}),
    (values.switch, "Yes", True),
    (values.switch, "0", False),
    (values.seconds, "1.5", 1.5),
    (values.span, "0", 0.0),
    (values.count, "3", 3),
    (values.size, "25M", 25 << 20),
    (values.size, "2 GiB", 2 << 30),
    (values.size, "1024", 1024),
    (values.long_road, "Pieces", "pieces"),
    (values.piece, "60", 60.0),
    (values.level, "INFO", "info"),
    (values.url, "https://a.example/ ", "https://a.example"),
    (values.secret, "x" * 16, "x" * 16),
    (values.bucket, "oss://audio?region=cn-beijing", "oss://audio?region=cn-beijing"),
    (values.pair, "AKID:se:cret", ("AKID", "se:cret")),
]


@pytest.mark.parametrize(("read", "given", "value"), READ)
def test_what_is_read(read: Callable[[str], object], given: str, value: object) -> None:
    assert value == read(given)


WRONG: list[tuple[Callable[[str], object], str]] = [
    (values.aliases, "mine"),
    (values.switch, "maybe"),
    (values.seconds, "0"),
    (values.seconds, "inf"),
    (values.span, "-1"),
    (values.count, "0"),
    (values.size, "much"),
    (values.long_road, "sea"),
    (values.piece, "5"),
    (values.piece, "300"),
    (values.level, "loud"),
    (values.url, "dashscope"),
    (values.secret, "short"),
    (values.webhook_secret, "whsec_AAAA"),
    (values.bucket, "audio"),
    (values.bucket, "s3://audio"),
    (values.bucket, "s3://audio?region=x&secret=y"),
    (values.pair, "AKID"),
]


@pytest.mark.parametrize(("read", "given"), WRONG)
def test_what_is_wrong_says_what_it_should_be(read: Callable[[str], object], given: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read(given)
