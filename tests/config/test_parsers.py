from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from compat.config import parsers

READ: list[tuple[Callable[[str], object], str, object]] = [
    (parsers.name, " a ", "a"),
    (parsers.many, "a, b,,", ("a", "b")),
    (parsers.aliases, "mine=fun-asr, yours = x", {"mine": "fun-asr", "yours": "x"}),
    (parsers.aliases, "mine=fun-asr?vocabulary_id=v-1&enable_x=1", {"mine": "fun-asr?vocabulary_id=v-1&enable_x=1"}),
    (parsers.switch, "Yes", True),
    (parsers.switch, "0", False),
    (parsers.seconds, "1.5", 1.5),
    (parsers.span, "0", 0.0),
    (parsers.count, "3", 3),
    (parsers.size, "25M", 25 << 20),
    (parsers.size, "2 GiB", 2 << 30),
    (parsers.size, "1024", 1024),
    (parsers.long_road, "Pieces", "pieces"),
    (parsers.piece, "60", 60.0),
    (parsers.level, "INFO", "info"),
    (parsers.url, "https://a.example/ ", "https://a.example"),
    (parsers.secret, "x" * 16, "x" * 16),
    (parsers.bucket, "oss://audio?region=cn-beijing", "oss://audio?region=cn-beijing"),
    (parsers.pair, "AKID:se:cret", ("AKID", "se:cret")),
    (parsers.key, "sk-1\n", "sk-1"),
    (parsers.keys, "sk-alice, sk-bob-1, sk-alice,", ("sk-alice", "sk-bob-1")),
    (parsers.label, "llm-abc123", "llm-abc123"),
    (parsers.path, " /a b ", Path("/a b")),
    (parsers.path, "~/a", Path.home() / "a"),
    (parsers.url, "wss://[::1]:8001/api-ws/v1", "wss://[::1]:8001/api-ws/v1"),
    (parsers.origins, "*", ("*",)),
    (parsers.origins, "https://App.example/, https://b.example:443", ("https://app.example", "https://b.example")),
    (
        parsers.origins,
        "app://., chrome-extension://abc, file://, null",
        ("app://.", "chrome-extension://abc", "file://", "null"),
    ),
    (parsers.store, "jobs.sqlite", "jobs.sqlite"),
    (parsers.store, "redis://:p%23ss@[::1]:6379/0", "redis://:p%23ss@[::1]:6379/0"),
    (parsers.store, "redis://localhost", "redis://localhost"),
    (parsers.store, "rediss://user:word@host/1?ssl_cert_reqs=none", "rediss://user:word@host/1?ssl_cert_reqs=none"),
    (parsers.store, "unix:///run/redis.sock?db=0", "unix:///run/redis.sock?db=0"),
]


@pytest.mark.parametrize(("read", "given", "value"), READ)
def test_valid_values_are_parsed(read: Callable[[str], object], given: str, value: object) -> None:
    assert value == read(given)


NO_NUMBERS = ("-1", "nan", "inf", "1e9", "+1", "1,5", "0x10", "1 0", "٣", "²", "much", "9" * 16, "9" * 5000)
NO_ADDRESSES = (
    "evil",
    "//a.example",
    "https://",
    "https://a.example:port",
    "https://a.example:0",
    "https://a.example:99999",
    "https://[::1",
    "https://a b.example",
    "https://a.example\r\nx",
    "https://name:word@a.example",
    "https://a.example?x=y",
    "https://a.example#x",
)
NO_STORES = (
    "postgres://x",
    "sqlite:///jobs.sqlite",
    "file:jobs.sqlite",
    "redis:/0",
    "redis://user:hunter2@host:notaport/0",
    "redis://:bad",
    "redis://:p#ss@host",
    "redis://host/name",
    "redis://host/0#x",
    "redis://a b/0",
)
WRONG: list[tuple[Callable[[str], object], str]] = [
    (parsers.aliases, "mine"),
    (parsers.switch, "maybe"),
    (parsers.seconds, "0"),
    (parsers.seconds, "inf"),
    (parsers.span, "-1"),
    (parsers.count, "0"),
    (parsers.size, "much"),
    (parsers.long_road, "sea"),
    (parsers.piece, "5"),
    (parsers.piece, "300"),
    (parsers.level, "loud"),
    (parsers.url, "dashscope"),
    (parsers.secret, "short"),
    (parsers.webhook_secret, "whsec_AAAA"),
    (parsers.bucket, "audio"),
    (parsers.bucket, "s3://audio"),
    (parsers.bucket, "s3://audio?region=x&secret=y"),
    (parsers.pair, "AKID"),
    *((parsers.key, key) for key in ("sk 1", "sk-1\nsk-2", "sk\r\nx: y", "sk-é", "'sk-1'", '"sk-1"', "Bearer sk-1")),
    *(
        (parsers.keys, keys)
        for keys in (",", " , ", "sk-alice,sk bob-1", "sk-alice\nsk-bob-1", "a", "sk-alice,short", f"SHA256:{'0' * 64}")
    ),
    *((parsers.label, label) for label in ("a.b", "a/b", "-a", "a b", "a\nb", "é", "a" * 64)),
    *((parsers.name, name) for name in ("a b", "a\nb")),
    *(
        (number, given)
        for number in (parsers.seconds, parsers.span, parsers.count, parsers.size)
        for given in NO_NUMBERS
    ),
    *((number, "0") for number in (parsers.seconds, parsers.count, parsers.size)),
    *((address, given) for address in (parsers.url, parsers.web) for given in NO_ADDRESSES),
    (parsers.web, "wss://a.example"),
    *(
        (parsers.origins, f"https://a.example,{given}")
        for given in (*NO_ADDRESSES, "https://a.example/path", "https://*.b")
    ),
    *((parsers.store, given) for given in NO_STORES),
    *((parsers.bucket, given) for given in ("s3://[a?region=x", "s3://a:b@c?region=x", "s3://a b?region=x")),
    (parsers.bucket, "s3://audio?region=x&endpoint=nowhere"),
    (parsers.rates, ","),
    (parsers.prices, f"a={'9' * 400}"),
    (parsers.prices, "a=-1"),
    (parsers.prices, "a=1/"),
    (parsers.prices, "a=1/2/3"),
    (parsers.aliases, "a b=c"),
    (parsers.aliases, "=c"),
]


@pytest.mark.parametrize(("read", "given"), WRONG)
def test_an_invalid_value_raises_an_error_that_does_not_repeat_it(read: Callable[[str], object], given: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        read(given)

    assert "hunter2" not in str(caught.value)
