"""DashScope's published rate limits and prices.

Sources: Model Studio's pages on rate limits and on model prices (2026-09 to 2026-11). A limit applies to the whole
account: all its API keys and all snapshots of a model share it. The service may enforce a per-minute limit per second.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Mapping

import msgspec

from compat.catalogue import translators


class Rate(msgspec.Struct, frozen=True):
    """A rate limit: at most `calls` calls in any `seconds` seconds."""

    calls: int
    seconds: int

    @property
    def spread(self) -> Rate:
        """The same rate over a tenth of the window, so that a burst cannot use up a minute's calls in one second.

        Limits of less than a minute or fewer than 10 calls are returned unchanged.
        """
        return Rate(self.calls // 10, self.seconds // 10) if self.seconds >= 60 and self.calls >= 10 else self


class Row(msgspec.Struct, frozen=True):
    """Models that share one limit, `rate`, None if it is not published. `pattern` must match the whole id; `name`
    identifies the limit."""

    name: str
    pattern: str
    rate: Rate | None


QUERY = "task-query"
POLICY = "upload-policy"
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_MINUTE_100, _MINUTE_600, _MINUTE_1200, _SECOND_20 = Rate(100, 60), Rate(600, 60), Rate(1200, 60), Rate(20, 1)

ROWS = (  # the first match wins, so specific patterns come first
    Row(QUERY, QUERY, _SECOND_20),
    Row(POLICY, POLICY, Rate(100, 1)),
    Row("qwen3-asr-flash-realtime", r"qwen3-asr-flash-realtime.*", _SECOND_20),
    Row("qwen3-asr-flash-filetrans", r"qwen3-asr-flash-filetrans.*", _MINUTE_100),
    Row("qwen3-asr-flash-us", r"qwen3-asr-flash(-.*)?-us", _MINUTE_100),
    Row("qwen3-asr-flash", r"qwen3-asr-flash.*", _MINUTE_100),
    Row("qwen-audio-3.1-asr-flash-streaming", r"qwen-audio-3\.1-.*-streaming.*", _MINUTE_600),
    Row("qwen-audio-3.1-asr-flash-message", r"qwen-audio-3\.1-.*-message.*", _MINUTE_1200),
    Row("qwen-audio-3.1-asr-flash-filetrans", r"qwen-audio-3\.1-.*-filetrans.*", _MINUTE_600),
    Row("qwen-audio-3.1-asr-flash", r"qwen-audio-3\.1-.*", _MINUTE_600),
    Row("qwen-audio-3.0-asr-flash-streaming", r"qwen-audio-3\.0-.*-streaming.*", None),
    Row("qwen-audio-3.0-asr-flash-filetrans", r"qwen-audio-3\.0-.*-filetrans.*", _MINUTE_600),
    Row("qwen-audio-3.0-asr-flash", r"qwen-audio-3\.0-.*", _MINUTE_600),
    Row("fun-asr-realtime", r"fun-asr-realtime.*", _SECOND_20),
    Row("fun-asr-flash-8k-realtime", r"fun-asr-flash-8k-realtime.*", None),
    Row("fun-asr-flash", r"fun-asr-flash.*", _MINUTE_600),
    Row("fun-asr-mtl", r"fun-asr-mtl.*", _MINUTE_100),
    Row("fun-asr", r"fun-asr.*", _MINUTE_600),
    Row("paraformer-realtime-v2", r"paraformer-realtime-v2.*", _MINUTE_1200),
    Row("paraformer-realtime-v1", r"paraformer-realtime-v1.*", _SECOND_20),
    Row("paraformer-realtime-8k-v2", r"paraformer-realtime-8k-v2.*", _SECOND_20),
    Row("paraformer-realtime-8k-v1", r"paraformer-realtime-8k-v1.*", _SECOND_20),
    Row("paraformer-8k-v2", r"paraformer-8k-v2", _SECOND_20),
    Row("paraformer-v2", r"paraformer-v2", _MINUTE_1200),
    Row("qwen3-livetranslate-flash-realtime", r"qwen3-livetranslate-flash-realtime.*", None),
    Row("qwen3.5-livetranslate-flash-realtime", r"qwen3\.5-livetranslate-flash-realtime.*", None),
    Row("qwen3.8-livetranslate-flash-realtime", r"qwen3\.8-livetranslate-flash-realtime.*", None),
    Row("qwen-mt-turbo", r"qwen-mt-turbo.*", Rate(60, 60)),
)

Price = tuple[float, ...]
"""US dollars: one figure per second of audio, or two, per million tokens of input and of output."""
_FILE: dict[str, Price] = {"beijing": (0.000032,), "singapore": (0.000035,)}
_LIVE: dict[str, Price] = {"beijing": (0.000047,), "singapore": (0.00009,)}
_FILE_TOKENS: dict[str, Price] = {"beijing": (0.113, 0.382), "singapore": (0.15, 0.47)}
_LIVE_TOKENS: dict[str, Price] = {"beijing": (0.848, 0.636), "singapore": (0.93, 0.70)}
PRICES: dict[str, dict[str, Price]] = {
    "qwen3-asr-flash": _FILE,
    "qwen3-asr-flash-filetrans": _FILE,
    "qwen3-asr-flash-realtime": _LIVE,
    "qwen-audio-3.1-asr-flash": _FILE_TOKENS,
    "qwen-audio-3.1-asr-flash-filetrans": _FILE_TOKENS,
    "qwen-audio-3.1-asr-flash-streaming": _LIVE_TOKENS,
    "qwen-audio-3.1-asr-flash-message": _LIVE_TOKENS,
    "qwen-audio-3.0-asr-flash": _FILE,
    "qwen-audio-3.0-asr-flash-filetrans": _FILE,
    "qwen-audio-3.0-asr-flash-streaming": {"beijing": _LIVE["beijing"]},  # listed as CNY 0.00033, like the next
    "fun-asr-realtime": _LIVE,
}
"""Prices by region. Models without a row have none in dollars: fun-asr and paraformer for files, fun-asr-flash, and
paraformer-realtime. Its v2 is listed in yuan only, CNY 0.00024 per second."""
YUAN = 7.3  # for a US dollar, rounded up
CEILING = 0.001  # yuan for a second of audio: more than any published price of recognition
TRANSLATION_CEILING = 0.01  # the same for LiveTranslate, whose prices are not known: 2.4 times OpenAI's ($0.034/min)
TOKENS = (50.0, 15.0)  # input and output tokens of a second: more than was ever measured


@functools.lru_cache(256)
def _row(model: str) -> Row | None:
    return next((row for row in ROWS if re.fullmatch(row.pattern, model)), None)


def rate(model: str, own: Mapping[str, Rate], *, published: bool) -> tuple[str, Rate] | None:
    """Return the name and value of the limit that a call counts against, or None if there is none.

    The operator's `own` limits take precedence over the published ones, which apply only if `published` is true.
    """
    if model in own:
        return model, own[model]
    row = _row(model)
    limit = own.get(row.name, row.rate if published else None) if row else None
    return (row.name, limit) if row and limit is not None else None


def price(model: str, region: str, own: Mapping[str, Price]) -> Price | None:
    """Return the price, or None if it is unknown. The operator's `own` prices take precedence."""
    row = _row(model)
    name = row.name if row else model
    for known in (model, name):
        if known in own:
            return own[known]
    return PRICES.get(name, {}).get(region)


def cost(price: Price, seconds: float, tokens: tuple[int, int] | None) -> float | None:
    """Return the cost in US dollars of `seconds` of audio, or of (input, output) `tokens`.

    Returns None if the price is by the token and the number of tokens is unknown: it does not follow from the length of
    the audio.
    """
    if len(price) == 1:
        return price[0] * seconds
    return None if tokens is None else sum(each * count for each, count in zip(price, tokens, strict=True)) / 1e6


def ceiling(model: str, region: str) -> float:
    """Return an upper bound of the price in yuan per second of audio, for estimates. It is that of the dearest region,
    or a ceiling for a model or region without a published price."""
    if translators.find(model):
        return TRANSLATION_CEILING
    name = next((row.name for row in ROWS if re.fullmatch(row.pattern, model)), model)
    known = PRICES.get(name, {}).values()
    if not known or region == "us":
        return CEILING
    return YUAN * max(each[0] if len(each) == 1 else sum(map(operator.mul, each, TOKENS)) / 1e6 for each in known)


def parse(text: str) -> Rate:
    """Parse a rate such as `100/minute` or `5/second`. Raises ValueError."""
    calls, _, unit = text.strip().partition("/")
    if not calls.isdecimal() or not int(calls) or unit not in UNITS:
        raise ValueError("a rate such as 100/minute")
    return Rate(int(calls), UNITS[unit])
