"""Usage: the service's figures if it reports them, otherwise estimates from the audio and the text."""

from __future__ import annotations

import pytest

from compat.openai_api.usage import Duration, InputTokenDetails, Tokens, estimate, usage
from compat.transcript import Ask, Transcript, Usage

SERVICE = Usage(seconds=4.0, audio_tokens=98, text_tokens=7, output_tokens=12)

BILLED = [
    ("whisper-1", Transcript(text="a", duration=3.2), Duration(4)),
    ("whisper-1", Transcript(text="a", duration=3.0), Duration(3)),
    ("whisper-1", Transcript(text=""), Duration(0)),
    ("whisper-large-v3", Transcript(text="a", duration=9.9, usage=SERVICE), Duration(4)),
    ("qwen3-asr-flash", Transcript(text="a", duration=3.2), Duration(4)),
    ("gpt-4o-transcribe", Transcript(text="a", usage=SERVICE), Tokens(105, InputTokenDetails(7, 98), 12, 117)),
    (
        "gpt-4o-mini-transcribe",
        Transcript(text="Hello world.", duration=3.2),
        Tokens(102, InputTokenDetails(2, 100), 4, 106),
    ),
    ("gpt-transcribe", Transcript(text="", duration=0.2), Tokens(27, InputTokenDetails(2, 25), 0, 27)),
    (
        "gpt-transcribe",
        Transcript(text="", duration=9.0, usage=Usage(seconds=2.0, text_tokens=0)),
        Tokens(50, InputTokenDetails(0, 50), 0, 50),
    ),
]


@pytest.mark.parametrize(("model", "transcript", "billed"), BILLED)
def test_usage_is_in_the_unit_that_openai_bills_the_model_by(
    model: str, transcript: Transcript, billed: Tokens | Duration
) -> None:
    assert billed == usage(transcript, Ask(model=model, prompt="Context"))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("  \n", 0),
        ("word", 1),
        ("Hello world.", 4),
        ("12:30", 5),
        ("欢迎使用。", 5),
        ("Привет", 3),
        ("ขอบคุณ", 3),
    ],
)
def test_the_tokens_of_a_text_are_estimated(text: str, tokens: int) -> None:
    assert tokens == estimate(text)
