"""The topic of a refusal: decided by event, parameter, code and, as a last resort, the message."""

from __future__ import annotations

from typing import get_args

import pytest

from compat.dashscope_api.live.turns import Refused, Topic
from compat.errors import BadRequest


@pytest.mark.parametrize(
    ("error", "about", "topics"),
    [
        (BadRequest("no language", param="session.input_audio_transcription.corpus"), None, {"context"}),
        (BadRequest("no corpus", code="language_not_supported"), None, {"language"}),
        (BadRequest("The Corpus is not supported", param="session", code="invalid_value"), "setup_1", {"context"}),
        (BadRequest("Neither language nor prompt"), "setup_1", {"context", "language"}),
        (BadRequest("no language"), "commit_1", {"commit"}),
        (BadRequest("empty", code="input_audio_buffer_commit_empty"), None, {"commit"}),
        (BadRequest("The buffer is empty"), "event_1", set()),
        (BadRequest("Invalid event type: session.finish"), None, {"finish"}),
        (BadRequest("no", code="invalid_value"), None, set()),
    ],
)
def test_a_refusal_concerns_its_topics(error: BadRequest, about: str | None, topics: set[Topic]) -> None:
    assert topics == {topic for topic in get_args(Topic) if Refused(error=error, about=about).concerns(topic)}
