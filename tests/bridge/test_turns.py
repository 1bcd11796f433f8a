"""From the service's reports to the client's events: deltas, order, chain."""

from __future__ import annotations

import pytest

from tests.bridge.stage import (
    NEW,
    SECOND,
    Conversation,
    Stage,
    append,
    by_hand,
    client,
    commit,
    committed,
    detecting,
    failed,
    final,
    play,
    ready,
    started,
    stopped,
    text,
)

# --- deltas ---

DELTAS: dict[str, Conversation] = {
    "growth": [
        (text("t", "", "he"), []),
        (text("t", "he", "llo"), ["< delta item_1 'he'"]),
        (text("t", "hello", " w"), ["< delta item_1 'llo'"]),
        (final("t", "hello world"), ["< delta item_1 ' world'", "< completed item_1 'hello world' 1.0"]),
    ],
    "empty until the end": [
        (text("t", "", "hello"), []),
        (text("t", "", "hello world"), []),
        (final("t", "hello world"), ["< delta item_1 'hello world'", "< completed item_1 'hello world' 1.0"]),
    ],
    "repeats": [
        (text("t", "hello", ""), ["< delta item_1 'hello'"]),
        (text("t", "hello", ""), []),
        (final("t", "hello"), ["< completed item_1 'hello' 1.0"]),
        (final("t", "hello"), []),
        (text("t", "hello", ""), []),
    ],
    "a shorter text again": [
        (text("t", "hello", ""), ["< delta item_1 'hello'"]),
        (text("t", "he", "llo"), []),
        (final("t", "hello!"), ["< delta item_1 '!'", "< completed item_1 'hello!' 1.0"]),
    ],
    "rewritten and come back": [
        (text("t", "hello", ""), ["< delta item_1 'hello'"]),
        (text("t", "yellow", ""), []),
        (text("t", "hello you", ""), ["< delta item_1 ' you'"]),
        (final("t", "hello you"), ["< completed item_1 'hello you' 1.0"]),
    ],
    "contradicted in the end": [
        (text("t", "hello", ""), ["< delta item_1 'hello'"]),
        (text("t", "yellow", ""), []),
        (final("t", "yellow."), ["< completed item_1 'yellow.' 1.0"]),
    ],
    "a mark that belongs to the letter before": [
        (text("t", "สวัสด", "ี"), ["< delta item_1 'สวัส'"]),
        (final("t", "สวัสดี"), ["< delta item_1 'ดี'", "< completed item_1 'สวัสดี' 1.0"]),
    ],
    "nothing at all": [(final("t", ""), ["< completed item_1 '' 1.0"])],
}


@pytest.mark.parametrize("snapshots", DELTAS.values(), ids=DELTAS)
def test_snapshots_become_deltas(snapshots: Conversation) -> None:
    stage = by_hand()
    stage.step(append(1000))
    stage.step(commit)

    play(stage, snapshots)


def test_a_contradiction_is_counted() -> None:
    stage = by_hand()
    for step in (append(1000), commit, text("t", "hello"), final("t", "yellow")):
        stage.step(step)

    assert 1 == stage.bridge.corrections


def test_deltas_of_detected_turns_come_before_the_commit_and_of_manual_turns_after() -> None:
    detected = ready(Stage())
    for step in (append(1000), started("t1", 0)):
        detected.step(step)
    assert ["< delta item_1 'hel'"] == detected.step(text("t1", "hel", "lo"))

    manual = by_hand()
    play(
        manual,
        [
            (append(1000), ["> audio 32000"]),
            (text("t1", "hel", "lo"), []),
            (commit, [*NEW, "< delta item_1 'hel'", "> commit"]),
            (final("t1", "hello"), ["< delta item_1 'lo'", "< completed item_1 'hello' 1.0"]),
        ],
    )


def test_data_of_the_service_beyond_openai_s_fields() -> None:
    stage = by_hand()
    for step in (append(1000), commit, text("t", "hel", "lo", language="en", emotion="happy")):
        stage.step(step)

    assert {"stash": "lo", "language": "en", "emotion": "happy"} == stage.frames[-1]["dashscope"]

    stage.step(final("t", "hello", language="en", emotion="sad"))
    assert {"stash": "", "language": "en", "emotion": "sad"} == stage.frames[-1]["dashscope"]


# --- items ---


def test_results_are_sent_in_the_order_of_the_commits() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 0), ["< speech_started item_1 0"]),
            (committed("t1"), ["< speech_stopped item_1 1000", *NEW]),
            (append(1000), ["> audio 32000"]),
            (started("t2", 1200), ["< speech_started item_2 1200"]),
            (stopped("t2", 1900), ["< speech_stopped item_2 1900", *SECOND]),
            (committed("t2"), []),
            (final("t2", "two"), []),
            (
                final("t1", "one"),
                [
                    "< delta item_1 'one'",
                    "< completed item_1 'one' 1.0",
                    "< delta item_2 'two'",
                    "< completed item_2 'two' 0.7",
                ],
            ),
        ],
    )


REORDERED: dict[str, Conversation] = {
    "everything twice": [
        (started("t", 100), ["< speech_started item_1 100"]),
        (started("t", 100), []),
        (stopped("t", 600), ["< speech_stopped item_1 600", *NEW]),
        (stopped("t", 600), []),
        (committed("t"), []),
        (committed("t"), []),
        (final("t", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 0.5"]),
        (final("t", "hi"), []),
        (committed("t"), []),
    ],
    "the result before the commit": [
        (started("t", 100), ["< speech_started item_1 100"]),
        (stopped("t", 600), ["< speech_stopped item_1 600", *NEW]),
        (final("t", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 0.5"]),
        (committed("t"), []),
    ],
    "the result before the end": [
        (started("t", 100), ["< speech_started item_1 100"]),
        (
            final("t", "hi"),
            ["< speech_stopped item_1 1000", *NEW, "< delta item_1 'hi'", "< completed item_1 'hi' 0.9"],
        ),
        (stopped("t", 600), []),
    ],
    "an end before the beginning": [
        (started("t", 600), ["< speech_started item_1 600"]),
        (stopped("t", 400), ["< speech_stopped item_1 600", *NEW]),
        (final("t", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 0.0"]),
    ],
    "a snapshot before the beginning": [
        (text("t", "h", "i"), ["< delta item_1 'h'"]),
        (started("t", 100), ["< speech_started item_1 100"]),
        (stopped("t", 600), ["< speech_stopped item_1 600", *NEW]),
        (final("t", "hi"), ["< delta item_1 'i'", "< completed item_1 'hi' 0.5"]),
    ],
    "failed": [
        (started("t", 100), ["< speech_started item_1 100"]),
        (stopped("t", 600), ["< speech_stopped item_1 600", *NEW]),
        (failed("t", "InternalError"), ["< failed item_1 upstream_error"]),
        (final("t", "hi"), []),
    ],
    "failed because nobody spoke": [
        (started("t", 100), ["< speech_started item_1 100"]),
        (stopped("t", 600), ["< speech_stopped item_1 600", *NEW]),
        (failed("t", "ASR_RESPONSE_HAVE_NO_WORDS"), ["< completed item_1 '' 0.5"]),
    ],
}


@pytest.mark.parametrize("reports", REORDERED.values(), ids=REORDERED)
def test_events_of_the_service_in_any_order(reports: Conversation) -> None:
    stage = detecting()
    stage.step(append(1000))

    play(stage, reports)


def test_items_are_retrieved_and_deleted() -> None:
    stage = by_hand()
    for step in (append(1000), commit, final("t", "hello")):
        stage.step(step)
    play(
        stage,
        [
            (client("conversation.item.retrieve", item_id="item_1"), ["< item.retrieved"]),
            (client("conversation.item.delete", item_id="item_1"), ["< item.deleted"]),
            (
                client("conversation.item.retrieve", item_id="item_1", event_id="e1"),
                ["< error item_not_found item_id e1"],
            ),
            (
                client("conversation.item.delete", item_id="item_1", event_id="e2"),
                ["< error item_not_found item_id e2"],
            ),
        ],
    )
    retrieved = next(frame for frame in stage.frames if frame["type"].endswith("retrieved"))
    assert [{"type": "input_audio", "transcript": "hello"}] == retrieved["item"]["content"]


@pytest.mark.parametrize(
    ("deleted", "previous"), [([], "item_2"), ([1], "item_2"), ([2], "item_1"), ([2, 1], None), ([1, 2], None)]
)
def test_a_deleted_item_precedes_no_other(deleted: list[int], previous: str | None) -> None:
    stage = by_hand()
    for turn in ("t1", "t2"):
        for step in (append(1000), commit, final(turn, "hello")):
            stage.step(step)
    for number in deleted:
        stage.step(client("conversation.item.delete", item_id=f"item_{number}"))
    stage.step(append(1000))

    assert f"< committed item_3 after {previous}" in stage.step(commit)
