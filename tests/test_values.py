from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from compat import values

READ: list[tuple[Callable[[str], object], str, object]] = [
    (values.name, " a ", "a"),
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
    (values.key, "sk-1\n", "sk-1"),
    (values.keys, "sk-alice, sk-bob-1, sk-alice,", ("sk-alice", "sk-bob-1")),
    (values.label, "llm-abc123", "llm-abc123"),
    (values.path, " /a b ", Path("/a b")),
    (values.path, "~/a", Path.home() / "a"),
    (values.url, "wss://[::1]:8001/api-ws/v1", "wss://[::1]:8001/api-ws/v1"),
    (values.origins, "*", ("*",)),
    (values.origins, "https://App.example/, https://b.example:443", ("https://app.example", "https://b.example")),
    (
        values.origins,
        "app://., chrome-extension://abc, file://, null",
        ("app://.", "chrome-extension://abc", "file://", "null"),
    ),
    (values.store, "jobs.sqlite", "jobs.sqlite"),
    (values.store, "redis://:p%23ss@[::1]:6379/0", "redis://:p%23ss@[::1]:6379/0"),
    (values.store, "redis://localhost", "redis://localhost"),
    (values.store, "rediss://user:word@host/1?ssl_cert_reqs=none", "rediss://user:word@host/1?ssl_cert_reqs=none"),
    (values.store, "unix:///run/redis.sock?db=0", "unix:///run/redis.sock?db=0"),
]


@pytest.mark.parametrize(("read", "given", "value"), READ)
def test_what_is_read(read: Callable[[str], object], given: str, value: object) -> None:
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
    *((values.key, key) for key in ("sk 1", "sk-1\nsk-2", "sk\r\nx: y", "sk-é", "'sk-1'", '"sk-1"', "Bearer sk-1")),
    *(
        (values.keys, keys)
        for keys in (",", " , ", "sk-alice,sk bob-1", "sk-alice\nsk-bob-1", "a", "sk-alice,short", f"SHA256:{'0' * 64}")
    ),
    *((values.label, label) for label in ("a.b", "a/b", "-a", "a b", "a\nb", "é", "a" * 64)),
    *((values.name, name) for name in ("a b", "a\nb")),
    *((number, given) for number in (values.seconds, values.span, values.count, values.size) for given in NO_NUMBERS),
    *((number, "0") for number in (values.seconds, values.count, values.size)),
    *((address, given) for address in (values.url, values.web) for given in NO_ADDRESSES),
    (values.web, "wss://a.example"),
    *(
        (values.origins, f"https://a.example,{given}")
        for given in (*NO_ADDRESSES, "https://a.example/path", "https://*.b")
    ),
    *((values.store, given) for given in NO_STORES),
    *((values.bucket, given) for given in ("s3://[a?region=x", "s3://a:b@c?region=x", "s3://a b?region=x")),
    (values.bucket, "s3://audio?region=x&endpoint=nowhere"),
    (values.rates, ","),
    (values.prices, f"a={'9' * 400}"),
    (values.prices, "a=-1"),
    (values.aliases, "a b=c"),
    (values.aliases, "=c"),
]


@pytest.mark.parametrize(("read", "given"), WRONG)
def test_what_is_wrong_says_what_it_should_be(read: Callable[[str], object], given: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        read(given)

    assert "hunter2" not in str(caught.value)
