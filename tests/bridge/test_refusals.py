"""Settings of a translation that the service refuses."""

from __future__ import annotations

import json

import pytest

from compat.bridge import Bridge
from compat.bridge.actions import Action, Hangup, ToClient, ToUpstream
from compat.bridge.interpreter import Interpreter
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.translations.session import TranslationSession
from tests.bridge.stage import counting, resolve

MODEL = "qwen3.5-livetranslate-flash-realtime"
BY_VOICE = {"type": "session.update", "session": {"dashscope": {"voice": "Nobody"}}}


def refusal(actions: list[Action]) -> str:
    """The service's refusal of the last settings in these actions."""
    sent = [json.loads(action.frame) for action in actions if isinstance(action, ToUpstream)]
    event_id = next(event["event_id"] for event in reversed(sent) if event["type"] == "session.update")
    error = {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "No such voice.",
        "event_id": event_id,
    }
    return json.dumps({"type": "error", "error": error})


@pytest.mark.parametrize("early", [True, False])
def test_a_refused_update_leaves_the_settings_before_in_effect(early: bool) -> None:
    ids = counting()
    face = Interpreter(TranslationSession(model="gpt-realtime-translate", native=MODEL), ids, 0)
    bridge = Bridge(Opening(), resolve=resolve, ids=ids, expires_at=0, preferred=MODEL, face=face)
    bridge.start(0.0)
    update = json.dumps(BY_VOICE)

    actions = bridge.from_client(update, 0.0) if early else []
    actions += bridge.upstream_opened(0.0)
    actions += [] if early else bridge.from_client(update, 0.0)
    actions_taken = bridge.from_upstream(refusal(actions), 0.1)
    again = bridge.upstream_opened(0.2)

    events = [json.loads(action.text) for action in actions_taken if isinstance(action, ToClient)]
    assert [(event["type"], event.get("error", {}).get("param")) for event in events] == [
        ("error", "session"),
        ("session.updated", None),
    ]
    assert events[-1]["session"]["dashscope"]["voice"] == "Tina"
    (setup,) = (json.loads(action.frame) for action in again if isinstance(action, ToUpstream))
    assert setup["session"]["voice"] == "Tina"
    refused = bridge.from_upstream(refusal(again), 0.3)
    assert any(isinstance(action, Hangup) for action in refused)
