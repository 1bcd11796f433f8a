"""Recognition context: the part that the service uses, and malformed contexts."""

from __future__ import annotations

import msgspec
import pytest

from compat.emulator import context
from tests.emulator.realtime.talk import Event


def user(text: str) -> Event:
    return {"role": "user", "content": [{"type": "input_text", "text": text}]}


def assistant(text: str) -> Event:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], ""),
        ([user("Who wrote it?"), assistant("Dickens.")], "Who wrote it?\nDickens."),
        ([user(str(number)) for number in range(7)], "2\n3\n4\n5\n6"),
        ([user("a" * 390), assistant("b" * 20)], "a" * 390 + "\n" + "b" * 10),
        ([user("a" * 500), user("c")], "a" * 400 + "\nc"),
        ([user("a" * 400), assistant("b")], "a" * 400 + "\n"),
    ],
)
def test_the_newest_messages_are_used_and_rounds_are_truncated(given: list[Event], kept: str) -> None:
    assert kept == context.used_context(msgspec.convert(given, list[context.Message]))


@pytest.mark.parametrize(
    "given",
    ["text", [{"role": "system", "content": []}], [{"role": "user", "content": "text"}],
     [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]],
)  # fmt: skip
def test_a_malformed_context_is_refused(given: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, list[context.Message])
