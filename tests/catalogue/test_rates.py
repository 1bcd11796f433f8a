from __future__ import annotations

import pytest

from compat.catalogue.rates import POLICY, QUERY, Price, Rate, cost, parse, price, rate

LIMITS = [
    # model → name of the limit, calls, seconds: Model Studio's page on rate limits (2026-10)
    ("qwen3-asr-flash", "qwen3-asr-flash", 100, 60),
    ("qwen3-asr-flash-2025-09-08", "qwen3-asr-flash", 100, 60),
    ("qwen3-asr-flash-us", "qwen3-asr-flash-us", 100, 60),
    ("qwen3-asr-flash-filetrans", "qwen3-asr-flash-filetrans", 100, 60),
    ("qwen3-asr-flash-realtime", "qwen3-asr-flash-realtime", 20, 1),
    ("qwen-audio-3.1-asr-flash", "qwen-audio-3.1-asr-flash", 600, 60),
    ("qwen-audio-3.1-asr-flash-filetrans", "qwen-audio-3.1-asr-flash-filetrans", 600, 60),
    ("qwen-audio-3.1-asr-flash-streaming", "qwen-audio-3.1-asr-flash-streaming", 600, 60),
    ("qwen-audio-3.1-asr-flash-message", "qwen-audio-3.1-asr-flash-message", 1200, 60),
    ("qwen-audio-3.0-asr-flash", "qwen-audio-3.0-asr-flash", 600, 60),
    ("qwen-audio-3.0-asr-flash-filetrans", "qwen-audio-3.0-asr-flash-filetrans", 600, 60),
    ("fun-asr-realtime-2025-11-07", "fun-asr-realtime", 20, 1),
    ("paraformer-realtime-v2", "paraformer-realtime-v2", 1200, 60),
    ("paraformer-realtime-8k-v2", "paraformer-realtime-8k-v2", 20, 1),
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


@pytest.mark.parametrize("version", ["3", "3.5", "3.8"])
def test_the_operator_sets_what_is_not_published_of_live_translation(version: str) -> None:
    name = f"qwen{version}-livetranslate-flash-realtime"
    dated = f"{name}-2026-05-19"

    assert rate(dated, {}, published=True) is None
    assert price(dated, "beijing", {}) is None
    assert (name, Rate(10, 1)) == rate(dated, {name: Rate(10, 1)}, published=True)
    assert (10.0, 38.0) == price(dated, "beijing", {name: (10.0, 38.0)})


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


@pytest.mark.parametrize("model", ["qwen-audio-3.0-asr-flash-streaming", "fun-asr-flash-8k-realtime", "paraformer-v1"])
def test_a_model_without_a_published_limit_shares_none(model: str) -> None:
    assert rate(model, {}, published=True) is None
    assert (model, Rate(5, 1)) == rate(model, {model: Rate(5, 1)}, published=True)


TOKENS, LIVE_TOKENS = ((0.113, 0.382), (0.15, 0.47)), ((0.848, 0.636), (0.93, 0.70))
FILE, LIVE, NONE = ((0.000032,), (0.000035,)), ((0.000047,), (0.00009,)), (None, None)
PRICED: list[tuple[str, tuple[Price | None, Price | None]]] = [  # model → prices in Beijing and in Singapore
    ("qwen3-asr-flash", FILE),
    ("qwen3-asr-flash-2025-09-08", FILE),
    ("qwen3-asr-flash-filetrans", FILE),
    ("qwen3-asr-flash-realtime", LIVE),
    ("qwen-audio-3.1-asr-flash", TOKENS),
    ("qwen-audio-3.1-asr-flash-filetrans", TOKENS),
    ("qwen-audio-3.1-asr-flash-streaming", LIVE_TOKENS),
    ("qwen-audio-3.1-asr-flash-message", LIVE_TOKENS),
    ("qwen-audio-3.0-asr-flash", FILE),
    ("qwen-audio-3.0-asr-flash-filetrans", FILE),
    ("qwen-audio-3.0-asr-flash-streaming", ((0.000047,), None)),
    ("fun-asr-realtime", LIVE),
    ("fun-asr-realtime-2025-11-07", LIVE),
    ("fun-asr", NONE),
    ("fun-asr-flash-2026-06-15", NONE),
    ("fun-asr-flash-8k-realtime", NONE),
    ("paraformer-v2", NONE),
    ("paraformer-realtime-v2", NONE),
]


@pytest.mark.parametrize(("model", "prices"), PRICED)
def test_a_model_s_price_depends_on_the_region(model: str, prices: tuple[Price | None, Price | None]) -> None:
    assert prices == tuple(price(model, region, {}) for region in ("beijing", "singapore"))
    assert price(model, "us", {}) is None
    assert (0.5,) == price(model, "beijing", {model: (0.5,)})


@pytest.mark.parametrize(
    ("price", "tokens", "dollars"),
    [
        ((0.000032,), None, 0.032),
        ((0.000032,), (9, 9), 0.032),
        ((0.1, 0.4), (12_500, 500), 0.00145),
        ((0.1, 0.4), None, None),
    ],
)
def test_the_cost_follows_from_seconds_or_tokens(
    price: Price, tokens: tuple[int, int] | None, dollars: float | None
) -> None:
    assert dollars == pytest.approx(cost(price, 1000.0, tokens))
