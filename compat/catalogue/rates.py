"""DashScope's published rate limits and prices.

Sources: Model Studio's pages on rate limits and on model prices (2026-10). A limit applies to the whole account: all
its API keys and all snapshots of a model share it. The service may enforce a per-minute limit per second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec


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
    """Models that share one limit, `rate`. `pattern` must match the whole id; `name` identifies the limit."""

    name: str
    pattern: str
    rate: Rate


QUERY = "task-query"
POLICY = "upload-policy"
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_MINUTE_100, _MINUTE_600, _SECOND_20 = Rate(100, 60), Rate(600, 60), Rate(20, 1)

ROWS = (  # the first match wins, so specific patterns come first
    Row(QUERY, QUERY, _SECOND_20),
    Row(POLICY, POLICY, Rate(100, 1)),
    Row("qwen3-asr-flash-realtime", r"qwen3-asr-flash-realtime.*", _SECOND_20),
    Row("qwen3-asr-flash-filetrans", r"qwen3-asr-flash-filetrans.*", _MINUTE_100),
    Row("qwen3-asr-flash-us", r"qwen3-asr-flash(-.*)?-us", _MINUTE_100),
    Row("qwen3-asr-flash", r"qwen3-asr-flash.*", _MINUTE_100),
    Row("qwen-audio-3.1-asr-flash-filetrans", r"qwen-audio-3\.1-.*-filetrans.*", _MINUTE_600),
    Row("qwen-audio-3.0-asr-flash-filetrans", r"qwen-audio-3\.0-.*-filetrans.*", _MINUTE_600),
    Row("fun-asr-flash", r"fun-asr-flash.*", _MINUTE_600),
    Row("fun-asr-mtl", r"fun-asr-mtl.*", _MINUTE_100),
    Row("fun-asr", r"fun-asr.*", _MINUTE_600),
    Row("paraformer-8k-v2", r"paraformer-8k-v2", _SECOND_20),
    Row("paraformer-v2", r"paraformer-v2", Rate(1200, 60)),
    Row("qwen-mt-turbo", r"qwen-mt-turbo.*", Rate(60, 60)),
)

# US dollars per second of audio, by region.
PRICES: dict[str, dict[str, float]] = {
    "qwen3-asr-flash": {"beijing": 0.000032, "singapore": 0.000035},
    "qwen3-asr-flash-filetrans": {"beijing": 0.000032, "singapore": 0.000035},
    "qwen3-asr-flash-realtime": {"beijing": 0.000047, "singapore": 0.00009},
    "qwen-audio-3.0-asr-flash-filetrans": {"beijing": 0.000032, "singapore": 0.000035},
}


def rate(model: str, own: Mapping[str, Rate], *, published: bool) -> tuple[str, Rate] | None:
    """Return the name and value of the limit that a call counts against, or None if there is none.

    The operator's `own` limits take precedence over the published ones, which apply only if `published` is true.
    """
    if model in own:
        return model, own[model]
    for row in ROWS:
        if re.fullmatch(row.pattern, model):
            limit = own.get(row.name, row.rate if published else None)
            return (row.name, limit) if limit is not None else None
    return None


def price(model: str, region: str, own: Mapping[str, float]) -> float | None:
    """Return the price in US dollars per second of audio, or None if it is unknown or billed by the token.

    The operator's `own` prices take precedence.
    """
    name = next((row.name for row in ROWS if re.fullmatch(row.pattern, model)), model)
    for known in (model, name):
        if known in own:
            return own[known]
    return PRICES.get(name, {}).get(region)


def parse(text: str) -> Rate:
    """Parse a rate such as `100/minute` or `5/second`. Raises ValueError."""
    calls, _, unit = text.strip().partition("/")
    if not calls.isdecimal() or not int(calls) or unit not in UNITS:
        raise ValueError("a rate such as 100/minute")
    return Rate(int(calls), UNITS[unit])
