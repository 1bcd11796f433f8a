"""Session configuration, nested and flat."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET

from compat.openai_api.realtime.patch import Patch, TurnDetection


@pytest.mark.parametrize(
    ("raw", "turns", "path"),
    [
        ("{}", UNSET, "session.audio.input.turn_detection"),
        ('{"turn_detection": null}', None, "session.turn_detection"),
        ('{"audio": {}}', UNSET, "session.audio.input.turn_detection"),
        ('{"audio": {"input": null}}', UNSET, "session.audio.input.turn_detection"),
        ('{"audio": {"input": {"turn_detection": null}}}', None, "session.audio.input.turn_detection"),
        (
            '{"turn_detection": null, "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}',
            TurnDetection(type="server_vad"),
            "session.audio.input.turn_detection",
        ),
    ],
)
def test_a_field_may_be_nested_or_flat(raw: str, turns: object, path: str) -> None:
    fields, paths = msgspec.json.decode(raw, type=Patch).fields()

    assert turns == fields.turn_detection
    assert path == paths["turn_detection"]
