"""What a local engine makes of a request."""

from __future__ import annotations

import pytest

from compat.transcript import Ask


@pytest.mark.parametrize(
    ("language", "context", "heard", "ignored"),
    [
        (None, "", None, ()),
        ("en", "", "en", ()),
        ("zh", "", None, ("language",)),
        ("zh", "Names: Ada.", None, ("language", "prompt")),
        ("en", "Names: Ada.", "en", ("prompt",)),
    ],
)
def test_it_hears_english_and_takes_no_context(
    language: str | None, context: str, heard: str | None, ignored: tuple[str, ...]
) -> None:
    guides = ("prompt",) if context else ()
    asked = Ask(model="whisper-1", language=language, context=context, guides=guides, ignored=("temperature",))

    ask = asked.answered_by("moonshine")

    assert (heard, "", ("temperature", *ignored), "moonshine") == (ask.language, ask.context, ask.ignored, ask.engine)
