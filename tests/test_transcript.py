"""The recognition context of a request, and the parts that a local engine accepts or ignores."""

from __future__ import annotations

import pytest

from compat.transcript import Ask, context


@pytest.mark.parametrize(
    ("language", "prompt", "kept", "ignored"),
    [
        (None, "", None, ()),
        ("en", "", "en", ()),
        ("zh", "", None, ("language",)),
        ("zh", "Names: Ada.", None, ("language", "prompt")),
        ("en", "Names: Ada.", "en", ("prompt",)),
    ],
)
def test_a_local_engine_accepts_english_only_and_no_context(
    language: str | None, prompt: str, kept: str | None, ignored: tuple[str, ...]
) -> None:
    asked = Ask(model="whisper-1", language=language, prompt=prompt, ignored=("temperature",))

    ask = asked.answered_by("moonshine")

    assert (kept, "", ("temperature", *ignored), "moonshine") == (ask.language, ask.context, ask.ignored, ask.engine)


@pytest.mark.parametrize(
    ("prompt", "keywords", "text"),
    [
        (None, (), ""),
        ("Names.", ("Ada", "Bo"), "Names.\nAda, Bo"),
        ("Names.", ("", "Ada", " ", "Bo"), "Names.\nAda, Bo"),
        ("", ("", "\n"), ""),
    ],
)
def test_the_keywords_follow_the_prompt_and_blank_ones_are_left_out(
    prompt: str | None, keywords: tuple[str, ...], text: str
) -> None:
    assert text == context(prompt, keywords)
