"""`input.context` of run-task and continue-task: the conversation so far, as user and assistant messages.

The service uses the newest five messages of each role, and truncates a round (a user message and the replies to it) to
400 characters (Model Studio, Fun-ASR client events, 2026-08).
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
    """Return the context that the service uses, one line per message. Raises TaskFailure."""
    try:
        messages = msgspec.convert(given, list[_Message])
    except msgspec.ValidationError as exc:
        raise _malformed(exc) from exc
    kept: list[_Message] = []
    counts: dict[Literal["user", "assistant"], int] = {"user": 0, "assistant": 0}
    for message in reversed(messages):
        role: Literal["user", "assistant"] = "user" if isinstance(message, _UserMessage) else "assistant"
        counts[role] += 1
        if counts[role] <= KEPT:
            kept.insert(0, message)
    return "\n".join(_truncated(kept))


def _malformed(exc: msgspec.ValidationError) -> TaskFailure:
    return invalid(
        "payload.input.context must be a list of messages, with parts of type input_text (user) or text (assistant):"
        f" {exc}"
    )


def _truncated(messages: list[_Message]) -> list[str]:
    """Return the texts of the messages, truncated to ROUND characters per round. A user message begins a round."""
    texts, left = [], ROUND
    for message in messages:
        if isinstance(message, _UserMessage):
            left = ROUND
        text = "".join(part.text for part in message.content)[:left]
        left -= len(text)
        texts.append(text)
    return texts
