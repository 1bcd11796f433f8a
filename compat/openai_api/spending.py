"""GET /v1/dashscope/usage: the query and the page, with the names of OpenAI's /v1/organization/usage.

{"object": "page", "has_more": false, "next_page": null, "data": [{"object": "bucket", "start_time": 1795910400,
 "end_time": 1795996800, "results": [{"object": "organization.usage.audio_transcriptions.result", "seconds": 12.5,
 "num_model_requests": 3, "cost": {"value": 0.0004, "currency": "usd"}, "unpriced_seconds": 0.0, "api_key_id": "alice",
 "model": "qwen3-asr-flash", "project_id": null, "user_id": null}]}]}

`api_key_id` is the name of a key, never the key. It and `model` are null unless `group_by` names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec

from compat.errors import BadRequest
from compat.openai_api.fields import single_values

DAY: Final = 86400
USUAL: Final = 7
MOST: Final = 31
"""Default and maximum of `limit`, in days, as OpenAI's."""
GROUPS: Final = ("api_key_id", "model")
LISTS: Final = ("group_by", "api_key_ids", "models")
SINGLE: Final = ("start_time", "end_time", "bucket_width", "limit", "page")
LATEST: Final = 253402300800  # the year 10000


class Entry(Protocol):
    """What a client has spent on a model in one day."""

    @property
    def day(self) -> int: ...
    @property
    def client(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def requests(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def dollars(self) -> float: ...
    @property
    def unpriced(self) -> float: ...


class UsageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The days from `first` up to, not including, `end`, counted since the epoch; at most `limit` of them."""

    first: int
    end: int
    limit: int = USUAL
    groups: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    @property
    def page_end(self) -> int:
        """The end of this page."""
        return min(self.end, self.first + self.limit)


def query(given: Iterable[tuple[str, str]], now: float) -> UsageQuery:
    """Return what a query asks for: by default today and the six days before it. Raises BadRequest."""
    singles: list[tuple[str, str]] = []
    lists: dict[str, list[str]] = {name: [] for name in LISTS}
    for given_name, value in given:
        name = given_name.removesuffix("[]")
        if name in lists:
            lists[name] += [part.strip() for part in value.split(",") if part.strip()]
        elif name in SINGLE:
            singles.append((name, value))
        elif name != "api-version":
            known = ", ".join((*SINGLE, *LISTS))
            raise BadRequest(f"{name[:64]} is not a parameter here; {known} are.", param=name[:64])
    single = single_values(singles)
    if unknown := [group for group in lists["group_by"] if group not in GROUPS]:
        raise BadRequest(f"group_by should be among {', '.join(GROUPS)}, not {unknown[0][:64]}.", param="group_by")
    if single.get("bucket_width", "1d") != "1d":
        raise BadRequest("bucket_width should be 1d: usage is kept by UTC day.", param="bucket_width")
    end = _number(single, "end_time", LATEST) if "end_time" in single else int(now) + 1
    start = _number(single, "start_time", LATEST) if "start_time" in single else max(0, end - 1) - (USUAL - 1) * DAY
    first, last = max(0, start) // DAY, -(-end // DAY)
    if last <= first:
        late = ("end_time", "be later than start_time"), ("start_time", "not be in the future")
        param, what = late["end_time" not in single]
        raise BadRequest(f"{param} should {what}.", param=param)
    if page := single.get("page"):
        first = _page(page, first, last)
    limit = _number(single, "limit", MOST) if "limit" in single else USUAL
    if limit < 1:
        raise BadRequest(f"limit should be 1 to {MOST}.", param="limit")
    return UsageQuery(
        first=first,
        end=last,
        limit=limit,
        groups=tuple(lists["group_by"]),
        clients=tuple(lists["api_key_ids"]),
        models=tuple(lists["models"]),
    )


def _number(given: dict[str, str], name: str, most: int) -> int:
    value = given[name]
    if not (value.isascii() and value.isdecimal() and len(value) < 13 and int(value) <= most):
        what = f"a whole number up to {most}" if name == "limit" else "a time in whole seconds since 1970 (UTC)"
        raise BadRequest(f"{name} should be {what}.", param=name)
    return int(value)


def _page(page: str, first: int, last: int) -> int:
    if page.isascii() and page.isdecimal() and len(page) < 8 and first < int(page) < last:
        return int(page)
    raise BadRequest(
        "page should be the next_page of the previous answer, with the same other parameters.", param="page"
    )


def body(asked: UsageQuery, entries: Sequence[Entry]) -> dict[str, Any]:
    """Return a page: a bucket for each day, also for those without usage."""
    more = asked.page_end < asked.end
    return {
        "object": "page",
        "data": [_bucket(asked, day, entries) for day in range(asked.first, asked.page_end)],
        "has_more": more,
        "next_page": str(asked.page_end) if more else None,
    }


def _bucket(asked: UsageQuery, day: int, entries: Sequence[Entry]) -> dict[str, Any]:
    groups: dict[tuple[str | None, str | None], list[Entry]] = {}
    for entry in entries:
        wanted = entry.client in (asked.clients or (entry.client,)) and entry.model in (asked.models or (entry.model,))
        if entry.day == day and wanted:
            client = entry.client if "api_key_id" in asked.groups else None
            groups.setdefault((client, entry.model if "model" in asked.groups else None), []).append(entry)
    return {
        "object": "bucket",
        "start_time": day * DAY,
        "end_time": (day + 1) * DAY,
        "results": [_result(*names, groups[names]) for names in sorted(groups, key=str)],
    }


def _result(client: str | None, model: str | None, entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "object": "organization.usage.audio_transcriptions.result",
        "seconds": round(sum(entry.seconds for entry in entries), 3),
        "num_model_requests": sum(entry.requests for entry in entries),
        "cost": {"value": round(sum(entry.dollars for entry in entries), 9), "currency": "usd"},
        "unpriced_seconds": round(sum(entry.unpriced for entry in entries), 3),
        "api_key_id": client,
        "model": model,
        "project_id": None,
        "user_id": None,
    }
