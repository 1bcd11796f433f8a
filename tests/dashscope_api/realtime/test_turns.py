from __future__ import annotations

import pytest

from compat.dashscope_api.realtime.turns import Refused
from compat.errors import BadRequest


@pytest.mark.parametrize(
    ("error", "words", "concerned"),
    [
        (BadRequest("no", param="session.input_audio_transcription.corpus"), ("corpus",), True),
        (BadRequest("The Corpus is not supported"), ("prompt", "corpus"), True),
        (BadRequest("no", code="language_not_supported"), ("language",), True),
        (BadRequest("no"), ("language", "corpus"), False),
    ],
)
def test_what_a_refusal_concerns(error: BadRequest, words: tuple[str, ...], concerned: bool) -> None:
    assert concerned is Refused(error=error).concerns(*words)
