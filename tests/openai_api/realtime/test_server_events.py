"""Server events, checked with the models of the official package."""

from __future__ import annotations

import json

import pydantic
import pytest
from openai.types.beta.realtime import RealtimeServerEvent as BetaEvent
from openai.types.realtime import RealtimeServerEvent

from compat.errors import BadRequest
from compat.openai_api.realtime import server_events as ours
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.session import Session
from compat.openai_api.realtime.views import Applied, view

ITEM = ours.Item(id="item_1")
SESSION = view(Session(native="qwen"), Opening(), "sess_1", 1_800_000_000, Applied(model="qwen"))
BETA_SESSION = view(Session(native="qwen"), Opening(dialect="beta"), "sess_1", 1_800_000_000, Applied(model="qwen"))
FAULT = ours.Fault.of(BadRequest("no", param="session.type"), "mine")

BOTH: list[ours.ServerEvent] = [
    ours.SpeechStarted(event_id="e", audio_start_ms=1, item_id="i"),
    ours.SpeechStopped(event_id="e", audio_end_ms=1, item_id="i"),
    ours.Committed(event_id="e", previous_item_id=None, item_id="i"),
    ours.Cleared(event_id="e"),
    ours.ItemRetrieved(event_id="e", item=ITEM),
    ours.ItemDeleted(event_id="e", item_id="i"),
    ours.Delta(event_id="e", item_id="i", delta="d", dashscope=ours.Hint(stash="s")),
    ours.Completed(event_id="e", item_id="i", transcript="t", usage=ours.DurationUsage(1.5), dashscope=ours.Hint()),
    ours.Failed(event_id="e", item_id="i", error=FAULT),
    ours.Error(event_id="e", error=FAULT),
]
GA: list[ours.ServerEvent] = [
    ours.SessionCreated(event_id="e", session=SESSION),
    ours.SessionUpdated(event_id="e", session=SESSION),
    ours.ItemAdded(event_id="e", previous_item_id="i", item=ITEM),
    ours.ItemDone(event_id="e", previous_item_id=None, item=ITEM),
]
BETA: list[ours.ServerEvent] = [
    ours.ItemCreated(event_id="e", previous_item_id=None, item=ITEM),
    ours.SessionCreated(event_id="e", session=BETA_SESSION),
]


@pytest.mark.parametrize("event", [*BOTH, *GA], ids=lambda event: type(event).__name__)
def test_the_official_package_reads_a_ga_event(event: ours.ServerEvent) -> None:
    read = pydantic.TypeAdapter(RealtimeServerEvent).validate_json(ours.encode(event))

    assert json.loads(ours.encode(event))["type"] == read.type


@pytest.mark.parametrize("event", [*BOTH, *BETA], ids=lambda event: type(event).__name__)
def test_the_official_package_reads_a_beta_event(event: ours.ServerEvent) -> None:
    read = pydantic.TypeAdapter(BetaEvent).validate_json(ours.encode(event))

    assert json.loads(ours.encode(event))["type"] == read.type


def test_absent_members_are_omitted() -> None:
    event = json.loads(ours.encode(BOTH[7]))

    assert {"type": "duration", "seconds": 1.5} == event["usage"]
    assert "logprobs" not in event
    assert json.loads(ours.encode(BOTH[2]))["previous_item_id"] is None
