"""The query and the page of GET /v1/dashscope/usage."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from openai.types.admin.organization import UsageAudioTranscriptionsResponse

from compat.errors import BadRequest
from compat.openai_api.spending import DAY, UsageQuery, body, query

TODAY = 20_000
NOW = TODAY * DAY + 500.5
QUERIES: list[tuple[str, UsageQuery]] = [
    ("", UsageQuery(first=TODAY - 6, end=TODAY + 1)),
    (f"start_time={TODAY * DAY}", UsageQuery(first=TODAY, end=TODAY + 1)),
    (f"start_time={TODAY * DAY - 1}&end_time={TODAY * DAY}", UsageQuery(first=TODAY - 1, end=TODAY)),
    (f"start_time={TODAY * DAY}&end_time={TODAY * DAY + 1}", UsageQuery(first=TODAY, end=TODAY + 1)),
    (f"end_time={TODAY * DAY}", UsageQuery(first=TODAY - 7, end=TODAY)),
    ("start_time=0&limit=31", UsageQuery(first=0, end=TODAY + 1, limit=31)),
    (f"page={TODAY}&bucket_width=1d", UsageQuery(first=TODAY, end=TODAY + 1)),
    ("group_by=model,api_key_id", UsageQuery(first=TODAY - 6, end=TODAY + 1, groups=("model", "api_key_id"))),
    (
        "group_by[]=model&api_key_ids[]=alice&api_key_ids=bob&models=fun-asr&api-version=1",
        UsageQuery(first=TODAY - 6, end=TODAY + 1, groups=("model",), clients=("alice", "bob"), models=("fun-asr",)),
    ),
]


@pytest.mark.parametrize(("text", "expected"), QUERIES)
def test_a_query_asks_for_whole_days(text: str, expected: UsageQuery) -> None:
    assert expected == query(parse_qsl(text), NOW)


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ("start_time=-1", "start_time"),
        ("start_time=NaN", "start_time"),
        ("start_time=1e9", "start_time"),
        ("start_time=99999999999999999999", "start_time"),
        ("end_time=²", "end_time"),
        (f"start_time={TODAY * DAY}&end_time={TODAY * DAY}", "end_time"),
        ("end_time=0", "end_time"),
        (f"start_time={(TODAY + 1) * DAY}", "start_time"),
        ("limit=1&limit=2", "limit"),
        ("start_time=1&start_time=0", "start_time"),
        ("limit=0", "limit"),
        ("limit=32", "limit"),
        ("limit=x", "limit"),
        ("page=later", "page"),
        ("page=20001", "page"),
        ("page=1", "page"),
        ("bucket_width=1h", "bucket_width"),
        ("group_by=user_id", "group_by"),
        ("key=alice", "key"),
    ],
)
def test_an_invalid_query_names_its_parameter(text: str, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        query(parse_qsl(text), NOW)

    assert param == caught.value.param


class Entry(msgspec.Struct, frozen=True):
    day: int
    client: str
    model: str
    requests: int = 1
    seconds: float = 2.0
    dollars: float = 0.25
    unpriced: float = 0.0


ENTRIES = [
    Entry(TODAY, "alice", "fun-asr", dollars=0.0, unpriced=2.0),
    Entry(TODAY, "alice", "qwen3-asr-flash", requests=2),
    Entry(TODAY, "bob", "qwen3-asr-flash"),
    Entry(TODAY - 2, "bob", "qwen3-asr-flash"),
]
PAGES: list[tuple[str, list[tuple[Any, ...]]]] = [
    # the query and, of each result of the last bucket: key, model, requests, seconds, dollars, seconds without a price
    ("", [(None, None, 4, 6.0, 0.5, 2.0)]),
    ("group_by=api_key_id", [("alice", None, 3, 4.0, 0.25, 2.0), ("bob", None, 1, 2.0, 0.25, 0.0)]),
    ("group_by=model", [(None, "fun-asr", 1, 2.0, 0.0, 2.0), (None, "qwen3-asr-flash", 3, 4.0, 0.5, 0.0)]),
    ("group_by=api_key_id,model&models=fun-asr", [("alice", "fun-asr", 1, 2.0, 0.0, 2.0)]),
    ("api_key_ids=bob", [(None, None, 1, 2.0, 0.25, 0.0)]),
    ("api_key_ids=eve", []),
]


@pytest.mark.parametrize(("text", "expected"), PAGES)
def test_a_page_groups_and_filters_each_day(text: str, expected: list[tuple[Any, ...]]) -> None:
    page = body(query(parse_qsl(text), NOW), ENTRIES)

    assert [TODAY - 6 + day for day in range(7)] == [bucket["start_time"] / DAY for bucket in page["data"]]
    assert expected == [
        (
            each["api_key_id"], each["model"], each["num_model_requests"], each["seconds"], each["cost"]["value"],
            each["unpriced_seconds"],
        )
        for each in page["data"][-1]["results"]
    ]  # fmt: skip


def test_pages_cover_each_day_once() -> None:
    asked, days = "limit=3", []
    while True:
        page = body(query(parse_qsl(asked), NOW), ENTRIES)
        days += [bucket["start_time"] // DAY for bucket in page["data"]]
        if not page["has_more"]:
            break
        asked = f"limit=3&page={page['next_page']}"

    assert [*range(TODAY - 6, TODAY + 1)] == days


def test_a_page_has_the_shape_of_openai_s() -> None:
    page = UsageAudioTranscriptionsResponse.model_validate(body(query([], NOW), ENTRIES))

    assert "organization.usage.audio_transcriptions.result" == page.data[-1].results[0].object
