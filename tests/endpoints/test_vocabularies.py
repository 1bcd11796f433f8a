"""Stored vocabularies over HTTP, and transcriptions that use one."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Refuse, Rule
from compat.emulator.state import Vocabulary
from tests.running import RunningServer, running_server

AUDIO3 = "qwen-audio-3.1-asr-flash"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Scripted((Sentence(text="Hello.", begin_ms=0, end_ms=900),))) as opened:
        yield opened


def stored(server: RunningServer, model: str) -> str:
    """Store a vocabulary in DashScope without this server. Return its id."""
    made = Vocabulary(
        id=f"vocab-{model}",
        account="the-server's-key",
        target_model=model,
        words=[{"text": "Qwen", "weight": 4}],
        created=0.0,
        modified=0.0,
    )
    server.dashscope.vocabularies[made.id] = made
    return made.id


def transcribe(server: RunningServer, speech: bytes, model: str, **extra: str) -> str:
    client = server.client()
    answer = client.audio.transcriptions.create(model=model, file=("a.wav", speech), extra_body=extra)
    return answer.text


@pytest.mark.parametrize("model", ["fun-asr", AUDIO3, "qwen-audio-3.1-asr-flash-filetrans"])
def test_a_vocabulary_of_the_model_is_sent(server: RunningServer, speech: bytes, model: str) -> None:
    made = stored(server, model)

    assert "Hello." == transcribe(server, speech, model, vocabulary_id=made)
    sent = next(seen for seen in reversed(server.dashscope.requests) if "vocabulary_id" in seen.parameters)
    assert (model, made) == (sent.model, sent.parameters["vocabulary_id"])


@pytest.mark.parametrize(
    ("target", "model"),
    [("fun-asr", "paraformer-v2"), ("fun-asr", AUDIO3), ("paraformer-v2", "gpt-4o-transcribe-diarize")],
)
def test_a_vocabulary_of_another_model_is_refused(
    server: RunningServer, speech: bytes, target: str, model: str
) -> None:
    made = stored(server, target)
    with pytest.raises(openai.BadRequestError, match=f"is for {target}") as refused:
        transcribe(server, speech, model, vocabulary_id=made)

    assert "vocabulary_id" == refused.value.param


def test_an_unknown_vocabulary_is_refused(server: RunningServer, speech: bytes) -> None:
    with pytest.raises(openai.BadRequestError, match="There is no vocabulary 'vocab-x'") as refused:
        transcribe(server, speech, "fun-asr", vocabulary_id="vocab-x")

    assert "vocabulary_id" == refused.value.param


@pytest.mark.parametrize("model", ["whisper-1", "paraformer-v1"])
def test_a_model_without_vocabularies_ignores_one_and_says_so(server: RunningServer, speech: bytes, model: str) -> None:
    raw = server.client().audio.transcriptions.with_raw_response.create(
        model=model, file=("a.wav", speech), extra_body={"vocabulary_id": "vocab-x"}
    )

    assert "vocabulary_id" == raw.headers["x-compat-ignored"]


def test_a_vocabulary_that_cannot_be_checked_is_an_error(server: RunningServer, speech: bytes) -> None:
    server.fail(Rule("vocabulary", Refuse(403, "AccessDenied")))
    with pytest.raises(openai.PermissionDeniedError):
        transcribe(server, speech, "fun-asr", vocabulary_id="vocab-unseen")
