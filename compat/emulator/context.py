"""`input.context` of run-task, continue-task and file tasks: the conversation so far, as user and assistant messages.

The service uses the newest five messages of each role, and truncates a round (a user message and the replies to it) to
400 characters (Model Studio, Fun-ASR client events, 2026-08).
"""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

import msgspec

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


Message: TypeAlias = _UserMessage | _AssistantMessage


def used_context(messages: list[Message]) -> str:
    """Return the context that the service uses, one line per message."""
    kept: list[Message] = []
    counts: Counter[type] = Counter()
    for message in reversed(messages):
        counts[type(message)] += 1
        if counts[type(message)] <= KEPT:
            kept.insert(0, message)
    return "\n".join(_truncated(kept))


def _truncated(messages: list[Message]) -> list[str]:
    """Return the texts of the messages, truncated to ROUND characters per round. A user message begins a round."""
    texts, left = [], ROUND
    for message in messages:
        if isinstance(message, _UserMessage):
            left = ROUND
        text = "".join(part.text for part in message.content)[:left]
        left -= len(text)
        texts.append(text)
    return texts
