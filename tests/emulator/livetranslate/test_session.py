"""Conversations with a LiveTranslate session in both dialects: messages, and events in their order."""

from __future__ import annotations

import pytest

from tests.emulator.livetranslate.talk import FLAT, NESTED, OLDEST, Talk, audio, kinds, of, said, settings
from tests.emulator.realtime.talk import FINISH, Event, frames, silence, spoken

SPEECH = spoken("amber", "basil", "cedar", "dusty") + silence(1_000) + spoken("river")
BEGUN = ["response.created", "response.output_item.added", "created", "response.content_part.added"]
DONE = ["response.content_part.done", "response.output_item.done", "response.done"]


def heard(model: str, *, spoken: bool = False, transcript: bool = True, target: str = "zh") -> list[Event]:
    talk = Talk(model, settings(model, target, audio=spoken, transcript=transcript))
    return talk.say(*frames(SPEECH), FINISH)


@pytest.mark.parametrize(
    ("model", "spoken", "source", "text", "done"),
    [
        (FLAT, False, "transcription.text", ["response.text.text"], ["response.text.done"]),
        (
            FLAT,
            True,
            "transcription.text",
            ["response.audio_transcript.text", "response.audio.delta"],
            ["response.audio_transcript.done", "response.audio.done"],
        ),
        (NESTED, False, "transcription.delta", ["response.text.delta"], ["response.text.done"]),
        (
            NESTED,
            True,
            "transcription.delta",
            ["response.audio_transcript.delta", "response.audio.delta"],
            ["response.audio_transcript.done", "response.audio.done"],
        ),
    ],
)
def test_a_turn_is_translated_while_it_is_spoken(
    model: str, spoken: bool, source: str, text: list[str], done: list[str]
) -> None:
    events = heard(model, spoken=spoken)

    first, second = [at for at, event in enumerate(events) if event["type"] == "response.done"]
    end = ["buffer.speech_stopped", "buffer.committed", "created"]
    assert kinds(events[: first + 1]) == [
        "buffer.speech_started",
        source,
        *BEGUN,
        *text,
        source,
        *text,
        *end,
        source,
        *text,
        "transcription.completed",
        *done,
        *DONE,
    ]
    assert kinds(events[first + 1 : second + 1]) == [
        "buffer.speech_started",
        *([source] if model == FLAT else []),
        *end,
        source,
        *BEGUN,
        *text,
        "transcription.completed",
        *done,
        *DONE,
    ]
    assert kinds(events[second + 1 :]) == ["session.finished"]


@pytest.mark.parametrize("model", [OLDEST, FLAT])
def test_snapshots_grow(model: str) -> None:
    events = heard(model)

    snapshots = [(event["text"], event["stash"]) for event in of("response.text.text", events)]
    assert snapshots == [
        ("[zh] amber", " basil basil"),
        ("[zh] amber basil", " cedar dusty"),
        ("[zh] amber basil cedar dusty", ""),
        ("[zh] river", ""),
    ]
    assert [e["text"] for e in of("response.text.done", events)] == ["[zh] amber basil cedar dusty", "[zh] river"]


def test_deltas_append() -> None:
    events = heard(NESTED)

    assert [event["delta"] for event in of("response.text.delta", events)] == [
        "[zh] amber",
        " basil",
        " cedar dusty",
        "[zh] river",
    ]
    source = of("conversation.item.input_audio_transcription.delta", events)
    assert [event["delta"] for event in source] == ["amber", " basil", " cedar dusty", "river"]
    done = of("conversation.item.input_audio_transcription.completed", events)
    assert [event["transcript"] for event in done] == ["amber basil cedar dusty", "river"]


@pytest.mark.parametrize("model", [FLAT, NESTED])
def test_the_audio_says_the_words(model: str) -> None:
    events = heard(model, spoken=True, target="en")

    assert said(audio(events)) == ["amber", "basil", "cedar", "dusty", "river"]
    assert audio(events) == audio(heard(model, spoken=True, target="fr"))
    transcripts = [event["transcript"] for event in of("response.audio_transcript.done", events)]
    assert transcripts == ["amber basil cedar dusty", "river"]


def test_the_source_is_sent_on_request() -> None:
    events = heard(FLAT, transcript=False)

    assert not [event for event in events if "transcription" in event["type"]]
    assert len(of("response.done", events)) == 2


@pytest.mark.parametrize("model", [FLAT, NESTED])
def test_items_and_responses_refer_to_each_other(model: str) -> None:
    events = heard(model, spoken=True)

    sources = [event["item_id"] for event in of("input_audio_buffer.committed", events)]
    created = of("conversation.item.created", events)
    outputs = {
        event["item"]["id"]: event["previous_item_id"] for event in created if event["item"]["role"] == "assistant"
    }
    assert [*outputs.values()] == sources
    responses = [event["response"]["id"] for event in of("response.created", events)]
    inside = [event for event in events if "response_id" in event]
    assert {(event["response_id"], event["item_id"]) for event in inside if "item_id" in event} == set(
        zip(responses, outputs, strict=True)
    )
    assert [event["response"]["id"] for event in of("response.done", events)] == responses


def test_the_end_of_a_response() -> None:
    first, _ = of("response.done", heard(FLAT, spoken=True))

    response = first["response"]
    assert (response["status"], response["modalities"]) == ("completed", ["text", "audio"])
    assert response["output"][0]["content"] == [{"type": "audio", "transcript": "[zh] amber basil cedar dusty"}]
    usage = response["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens_details"] == {"audio_tokens": 14, "text_tokens": 5}
