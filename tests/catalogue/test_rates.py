from __future__ import annotations

import pytest

from compat.catalogue.rates import POLICY, QUERY, Rate, parse, price, rate

LIMITS = [
    # model → name of the limit, calls, seconds: Model Studio's page on rate limits (2026-10)
    ("qwen3-asr-flash", "qwen3-asr-flash", 100, 60),
    ("qwen3-asr-flash-2025-09-08", "qwen3-asr-flash", 100, 60),
    ("qwen3-asr-flash-us", "qwen3-asr-flash-us", 100, 60),
    ("qwen3-asr-flash-filetrans", "qwen3-asr-flash-filetrans", 100, 60),
    ("qwen3-asr-flash-realtime", "qwen3-asr-flash-realtime", 20, 1),
    ("fun-asr", "fun-asr", 600, 60),
    ("fun-asr-flash-2026-06-15", "fun-asr-flash", 600, 60),
    ("fun-asr-mtl", "fun-asr-mtl", 100, 60),
    ("paraformer-v2", "paraformer-v2", 1200, 60),
    ("paraformer-8k-v2", "paraformer-8k-v2", 20, 1),
    ("qwen-mt-turbo", "qwen-mt-turbo", 60, 60),
    (QUERY, QUERY, 20, 1),
    (POLICY, POLICY, 100, 1),
]


@pytest.mark.parametrize(("model", "name", "calls", "seconds"), LIMITS)
def test_a_model_s_limit_is_the_published_one(model: str, name: str, calls: int, seconds: int) -> None:
    assert (name, Rate(calls, seconds)) == rate(model, {}, published=True)
    assert rate(model, {}, published=False) is None


def test_the_operator_s_own_limits_take_precedence() -> None:
    own = {"qwen3-asr-flash": Rate(5, 1), "mine": Rate(1, 60)}

    assert ("qwen3-asr-flash", Rate(5, 1)) == rate("qwen3-asr-flash-2025-09-08", own, published=False)
    assert ("mine", Rate(1, 60)) == rate("mine", own, published=True)
    assert rate("unknown", own, published=True) is None


@pytest.mark.parametrize(
    ("text", "spread"),
    [("100/minute", Rate(10, 6)), ("5/second", Rate(5, 1)), ("6/minute", Rate(6, 60)), ("600/hour", Rate(60, 360))],
)
def test_a_limit_of_a_minute_or_more_is_spread_over_its_window(text: str, spread: Rate) -> None:
    assert spread == parse(text).spread


@pytest.mark.parametrize("text", ["", "100", "0/minute", "100/fortnight", "-1/second"])
def test_an_invalid_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="100/minute"):
        parse(text)


def test_prices_depend_on_model_and_region_and_the_operator_s_own_take_precedence() -> None:
    assert 0.000032 == price("qwen3-asr-flash", "beijing", {})
    assert 0.000035 == price("qwen3-asr-flash-2025-09-08", "singapore", {})
    assert 0.5 == price("qwen3-asr-flash", "beijing", {"qwen3-asr-flash": 0.5})
    assert price("fun-asr", "beijing", {}) is None
