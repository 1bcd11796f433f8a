"""The first words of every session: created, configured, heard, transcribed."""

from __future__ import annotations

import pytest

from compat.openai_api.realtime.opening import Opening
from tests.bridge.stage import (
    PCM_16K,
    Conversation,
    Stage,
    append,
    commit,
    committed,
    created,
    final,
    opened,
    play,
    start,
    started,
    stopped,
    text,
    update,
)

VAD: Conversation = [
    (start, ["< session.created", "open"]),
    (update(format=PCM_16K), ["< session.updated"]),
    (append(100), []),
    (opened, ["> setup pcm/16000 vad 0.2/500", "> audio 3200"]),
    (created, []),
    (append(900), ["> audio 28800"]),
    (started("t1", 400), ["< speech_started item_1 100"]),
    (text("t1", "", "wel"), []),
    (text("t1", "wel", "come"), ["< delta item_1 'wel'"]),
    (stopped("t1", 900), ["< speech_stopped item_1 900"]),
    (committed("t1"), ["< committed item_1 after None", "< item.added item_1", "< item.done item_1"]),
    (final("t1", "welcome."), ["< delta item_1 'come.'", "< completed item_1 'welcome.' 0.5"]),
]

MANUAL: Conversation = [
    (start, ["< session.created", "open"]),
    (update(format=PCM_16K, turn_detection=None), ["< session.updated"]),
    (opened, ["> setup pcm/16000 manual"]),
    (append(500), ["> audio 16000"]),
    (append(500), ["> audio 16000"]),
    (commit, ["< committed item_1 after None", "< item.added item_1", "< item.done item_1", "> commit"]),
    (committed("t1"), []),
    (text("t1", "wel", "come"), ["< delta item_1 'wel'"]),
    (final("t1", "welcome."), ["< delta item_1 'come.'", "< completed item_1 'welcome.' 1.0"]),
    (append(500), ["> audio 16000"]),
    (commit, ["< committed item_2 after item_1", "< item.added item_2", "< item.done item_2", "> commit"]),
    (final("t2", "again"), ["< delta item_2 'again'", "< completed item_2 'again' 0.5"]),
]


@pytest.mark.parametrize("conversation", [VAD, MANUAL], ids=["vad", "manual"])
def test_a_turn_is_transcribed(conversation: Conversation) -> None:
    play(Stage(), conversation)


def test_beta_callers_hear_their_own_names() -> None:
    play(
        Stage(Opening(dialect="beta")),
        [
            (start, ["< transcription_session.created", "open"]),
            (update(format=PCM_16K), ["< transcription_session.updated"]),
            (opened, ["> setup pcm/16000 vad 0.2/500"]),
            (append(500), ["> audio 16000"]),
            (started("t1", 0), ["< speech_started item_1 0"]),
            (
                final("t1", "hi"),
                [
                    "< speech_stopped item_1 500",
                    "< committed item_1 after None",
                    "< item.created item_1",
                    "< delta item_1 'hi'",
                    "< completed item_1 'hi' 0.5",
                ],
            ),
        ],
    )
