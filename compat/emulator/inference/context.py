"""`input.context` of run-task and continue-task: what was said before, as messages of user and assistant.

Model Studio, Fun-ASR client events, 2026-08: the newest five messages of each role count; a round of both has 400
characters, the rest of which is cut off.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from compat.emulator.inference.messages import TaskFailure, invalid

KEPT = 5  # messages of each role
ROUND = 400  # characters


class _UserPart(msgspec.Struct, frozen=True, tag_field="type", tag="input_text"):
    text: str


class _AssistantPart(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    text: str


class _UserMessage(msgspec.Struct, frozen=True, tag_field="role", tag="user"):
    content: list[_UserPart]


class _AssistantMessage(msgspec.Struct, frozen=True, tag_field="role", tag="assistant"):
    content: list[_AssistantPart]


_Message = _UserMessage | _AssistantMessage


def read(given: Any) -> str:  # noqa: ANN401 - JSON
    """The context that counts, a line for each message. Raises TaskFailure."""
    try:
        messages = msgspec.convert(given, list[_Message])
    except msgspec.ValidationError as exc:
        raise _unreadable(exc) from exc
    kept: list[_Message] = []
    counts: dict[Literal["user", "assistant"], int] = {"user": 0, "assistant": 0}
    for message in reversed(messages):
        role: Literal["user", "assistant"] = "user" if isinstance(message, _UserMessage) else "assistant"
        counts[role] += 1
        if counts[role] <= KEPT:
            kept.insert(0, message)
    return "\n".join(_cut(kept))


def _unreadable(exc: msgspec.ValidationError) -> TaskFailure:
    return invalid(
        f"payload.input.context must be a list of messages, with input_text from user and text from assistant: {exc}"
    )


def _cut(messages: list[_Message]) -> list[str]:
    """A user message begins a round."""
    texts, left = [], ROUND
    for message in messages:
        if isinstance(message, _UserMessage):
            left = ROUND
        text = "".join(part.text for part in message.content)[:left]
        left -= len(text)
        texts.append(text)
    return texts
