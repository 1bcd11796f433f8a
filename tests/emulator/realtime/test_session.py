"""Conversations with a live session: events in the documented order, and every refusal."""

from __future__ import annotations

import pytest

from compat.emulator.engine import Hypothesis
from compat.emulator.live_settings import LiveLimits, LiveReadings
from tests.emulator.realtime.talk import (
    COMMIT,
    FINISH,
    HELLO,
    MANUAL,
    MODEL,
    Event,
    Talk,
    appended,
    frames,
    kinds,
    scripted,
    silence,
    snapshots,
    spoken,
    transcripts,
    vad,
)

TURN = ["speech_started", "text", "speech_stopped", "committed", "created", "text", "completed"]


def test_session_created_has_the_values_of_the_documents_sample() -> None:
    created = Talk().created

    assert created["type"] == "session.created"
    assert created["event_id"]
    assert created["session"] == {
        "id": "sess_1",
        "object": "realtime.session",
        "model": MODEL,
        "modalities": ["text"],
        "input_audio_format": "pcm16",
        "input_audio_transcription": None,
        "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 200},
    }


def test_session_updated_has_the_settings_in_effect() -> None:
    talk = Talk()

    (updated,) = talk.say(
        {
            "event_id": "event_a",
            "type": "session.update",
            "session": {
                "modalities": ["text"],
                "voice": None,
                "input_audio_format": "pcm",
                "output_audio_format": "pcm16",
                "sample_rate": 8000,
                "input_audio_transcription": {"language": "zh", "corpus": {"text": "names"}},
                "turn_detection": {"type": "server_vad", "threshold": 0.0, "silence_duration_ms": 400},
            },
        }
    )

    assert updated["type"] == "session.updated"
    assert updated["session"] == {
        "id": "sess_1",
        "object": "realtime.session",
        "model": MODEL,
        "modalities": ["text"],
        "input_audio_format": "pcm",
        "sample_rate": 8000,
        "input_audio_transcription": {"language": "zh", "corpus": {"text": "names"}},
        "turn_detection": {"threshold": 0.0, "silence_duration_ms": 400, "type": "server_vad"},
    }


def test_turns_under_vad_come_in_the_documented_order() -> None:
    talk = Talk(session=vad())

    events = talk.say(*frames(spoken("amber", "basil", "cedar") + silence(1_000) + spoken("river") + silence(1_000)))

    assert kinds(events) == [*TURN, *TURN]
    assert transcripts(events) == ["amber basil cedar", "river"]


def test_the_events_of_a_turn_under_vad() -> None:
    talk = Talk(session=vad() | {"input_audio_transcription": {"language": "fr"}})

    events = talk.say(*frames(silence(1_000) + spoken("amber", begin_ms=0) + silence(1_000)))

    item = events[0]["item_id"]
    assert len({event["event_id"] for event in events}) == len(events)
    assert [{**event, "event_id": ""} for event in events if not event["type"].endswith(".text")] == [
        {
            "type": "input_audio_buffer.speech_started",
            "event_id": "",
            "audio_start_ms": 1_000,
            "item_id": item,
        },
        {"type": "input_audio_buffer.speech_stopped", "event_id": "", "audio_end_ms": 1_560, "item_id": item},
        {"type": "input_audio_buffer.committed", "event_id": "", "previous_item_id": None, "item_id": item},
        {
            "type": "conversation.item.created",
            "event_id": "",
            "previous_item_id": None,
            "item": {
                "id": item,
                "object": "realtime.item",
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [{"type": "input_audio", "transcript": None}],
            },
        },
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "event_id": "",
            "item_id": item,
            "content_index": 0,
            "transcript": "amber",
            "language": "fr",
            "emotion": "neutral",
        },
    ]


def test_a_manual_turn_comes_in_the_documented_order_after_the_commit() -> None:
    talk = Talk(session=MANUAL)

    assert talk.say(*frames(spoken("amber", "basil"))) == []
    events = talk.say(COMMIT)

    assert kinds(events) == ["committed", "created", "text", "completed"]
    assert transcripts(events) == ["amber basil"]


def test_items_are_chained() -> None:
    talk = Talk(session=MANUAL)

    events = [*talk.say(*frames(spoken("amber")), COMMIT), *talk.say(*frames(spoken("basil")), COMMIT)]

    first, second = (event for event in events if event["type"].endswith(".committed"))
    assert (first["previous_item_id"], second["previous_item_id"]) == (None, first["item_id"])
    assert second["item_id"] != first["item_id"]
    assert talk.record.items == 2


def test_each_partial_result_is_sent_once() -> None:
    talk = Talk(scripted(HELLO), MANUAL)

    events = talk.say(*frames(silence(500)), COMMIT)

    assert snapshots(events) == [
        ("", "hello"),
        ("hello", " word"),
        ("hello world", ""),
    ]  # text + stash is what is heard so far
    assert transcripts(events) == ["hello world"]


@pytest.mark.parametrize(
    ("readings", "shown"),
    [
        (LiveReadings(text="at_end"), [("", "hello"), ("", "hello word"), ("", "hello world")]),
        (LiveReadings(text="revised"), [("hello", ""), ("hello word", ""), ("hello world", "")]),
    ],
)
def test_other_readings_of_text_and_stash(readings: LiveReadings, shown: list[tuple[str, str]]) -> None:
    talk = Talk(scripted(HELLO), MANUAL, readings=readings)

    events = talk.say(*frames(silence(500)), COMMIT)

    assert snapshots(events) == shown
    assert transcripts(events) == ["hello world"]


def test_usage_is_sent_by_a_reading() -> None:
    talk = Talk(scripted(HELLO), MANUAL, readings=LiveReadings(usage=True))

    assert talk.say(*frames(silence(2_500)), COMMIT)[-1]["usage"] == {"type": "duration", "seconds": 2.5}


def test_finish_ends_the_open_turn() -> None:
    talk = Talk(session=vad())

    events = talk.say(*frames(spoken("amber", "basil", length_ms=700)), FINISH)

    assert kinds(events) == [*TURN[:2], *TURN[2:], "finished"]
    assert transcripts(events) == ["amber basil"]
    assert talk.record.finished


@pytest.mark.parametrize("session", [MANUAL, vad()])
@pytest.mark.parametrize("audio", [b"", silence(3_000)])
def test_finish_without_speech_is_answered_at_once(session: Event, audio: bytes) -> None:
    talk = Talk(session=session)

    assert kinds(talk.say(*frames(audio), FINISH)) == ["finished"]


def test_messages_after_the_finish_are_refused() -> None:
    talk = Talk()
    talk.say(FINISH)

    assert "finished" in talk.refusal(appended(silence(100)))["message"]
    assert talk.record.frames == 0


def test_a_silent_commit_has_no_events_by_default() -> None:
    talk = Talk(session=MANUAL)

    assert talk.say(*frames(silence(1_000)), COMMIT) == []
    assert kinds(talk.say(*frames(spoken("amber")), COMMIT)) == ["committed", "created", "text", "completed"]


def test_a_silent_commit_is_an_empty_item_by_a_reading() -> None:
    talk = Talk(session=MANUAL, readings=LiveReadings(silent_commit="empty"))

    events = talk.say(*frames(silence(1_000)), COMMIT)

    assert kinds(events) == ["committed", "created", "completed"]
    assert transcripts(events) == [""]


@pytest.mark.parametrize(
    ("session", "before", "message", "param", "words"),
    [
        (vad(), [appended(silence(100))], COMMIT, "type", "commit is not allowed"),
        (MANUAL, [], COMMIT, "type", "buffer is empty"),
        (MANUAL, [appended(b"")], COMMIT, "type", "buffer is empty"),
        (MANUAL, [*frames(spoken("amber")), COMMIT], COMMIT, "type", "buffer is empty"),
        (MANUAL, [], {"type": "input_audio_buffer.clear"}, "type", "not supported"),
        (MANUAL, frames(silence(60_000), 64_000), appended(silence(20)), "audio", "at most 60 seconds"),
        (MANUAL, [appended(silence(20))], {"type": "session.update", "session": vad()}, "session", "cannot be changed"),
        (None, [], {"type": "response.create"}, "type", "response.create"),
        (None, [], {"type": "input_audio_buffer.append"}, "type", "audio"),
        (None, [], {"type": "input_audio_buffer.append", "audio": "%%%"}, "audio", "base64"),
        (None, [], {"type": "input_audio_buffer.append", "audio": 5}, "audio", "expected"),
        (None, [], {"type": "session.update"}, "type", "session"),
        (None, [], {}, "type", "type"),
    ],
)
def test_refusals(session: Event | None, before: list[Event], message: Event, param: str, words: str) -> None:
    talk = Talk(session=session)
    talk.say(*before)

    error = talk.refusal({**message, "event_id": "event_mine"})

    assert (error["event_id"], error["param"]) == ("event_mine", param)
    assert words.lower() in error["message"].lower()
    assert error["code"]


@pytest.mark.parametrize("raw", ["", "hello", "[1]", '"x"', '{"type":', '{"type":"session.finish","event_id":7}'])
def test_an_unreadable_message_is_an_error(raw: str) -> None:
    (event,) = Talk().raw(raw)

    assert event["type"] == "error"
    assert event["error"]["event_id"] is None


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"input_audio_format": "mp3"}, "session.input_audio_format"),
        ({"sample_rate": 24_000}, "session.sample_rate"),
        ({"audio": {"input": {"format": {"type": "wav", "sample_rate": 16_000}}}}, "session.input_audio_format"),
        ({"turn_detection": {"type": "semantic_vad"}}, "session.turn_detection.type"),
        (vad(threshold=1.1), "session.turn_detection.threshold"),
        (vad(threshold=-1.1), "session.turn_detection.threshold"),
        (vad(silence_duration_ms=199), "session.turn_detection.silence_duration_ms"),
        (vad(silence_duration_ms=6_001), "session.turn_detection.silence_duration_ms"),
        ({"input_audio_transcription": {"language": 7}}, "session.input_audio_transcription.language"),
    ],
)
def test_an_invalid_update_changes_nothing(session: Event, param: str) -> None:
    talk = Talk(session=MANUAL)

    assert talk.refusal({"type": "session.update", "session": session})["param"] == param
    assert talk.say({"type": "session.update", "session": {}})[0]["session"]["turn_detection"] is None


@pytest.mark.parametrize("edge", [vad(-1, 200), vad(1, 6_000)])
def test_ranges_include_their_ends(edge: Event) -> None:
    assert kinds(Talk().say({"type": "session.update", "session": edge})) == ["updated"]


def test_the_newer_spelling_of_the_format() -> None:
    (updated,) = Talk().say(
        {"type": "session.update", "session": {"audio": {"input": {"format": {"type": "pcm", "sample_rate": 8_000}}}}}
    )

    assert (updated["session"]["input_audio_format"], updated["session"]["sample_rate"]) == ("pcm", 8_000)


def test_an_update_without_a_change_is_accepted_at_any_time() -> None:
    talk = Talk(session=MANUAL)
    talk.say(*frames(spoken("amber")))

    assert kinds(talk.say({"type": "session.update", "session": MANUAL})) == ["updated"]
    assert transcripts(talk.say(COMMIT)) == ["amber"]


def test_settings_can_change_during_a_session_by_a_reading() -> None:
    talk = Talk(session=vad(), readings=LiveReadings(fixed_configuration=False))

    spoken_first = talk.say(*frames(spoken("amber", length_ms=500)))
    changed = talk.say({"type": "session.update", "session": MANUAL})
    after = talk.say(*frames(spoken("basil")), COMMIT)

    assert kinds([*spoken_first, *changed]) == [*TURN, "updated"]
    assert transcripts([*changed, *after]) == ["amber", "basil"]


def test_times_continue_after_a_change() -> None:
    talk = Talk(session=vad(), readings=LiveReadings(fixed_configuration=False))
    talk.say(*frames(silence(3_000)))
    talk.say({"type": "session.update", "session": vad(0.0)})

    started = talk.say(*frames(spoken("amber", begin_ms=400)))[0]

    assert started["audio_start_ms"] == 3_400


def test_clear_is_accepted_by_a_reading() -> None:
    talk = Talk(session=MANUAL, readings=LiveReadings(clear=True))
    talk.say(*frames(spoken("amber")))

    assert kinds(talk.say({"type": "input_audio_buffer.clear"})) == ["cleared"]
    assert transcripts(talk.say(*frames(spoken("basil")), COMMIT)) == ["basil"]


def test_context_is_refused_by_a_reading() -> None:
    talk = Talk(readings=LiveReadings(context=False))

    error = talk.refusal(
        {"type": "session.update", "session": {"input_audio_transcription": {"corpus": {"text": "names"}}}}
    )

    assert error["param"] == "session.input_audio_transcription.corpus"


def test_an_append_that_is_too_long() -> None:
    talk = Talk(limits=LiveLimits(append_bytes=1_000))

    assert talk.say(appended(bytes(1_000))) == []
    assert talk.refusal(appended(bytes(1_002)))["param"] == "audio"
    assert talk.record.bytes == 1_000


def test_a_manual_turn_of_the_maximum_length_is_accepted() -> None:
    talk = Talk(session=MANUAL, limits=LiveLimits(turn_seconds=2))

    talk.say(*frames(spoken("amber", length_ms=2_000)))
    assert talk.refusal(appended(silence(20)))["param"] == "audio"

    assert transcripts(talk.say(COMMIT)) == ["amber"]


@pytest.mark.parametrize("size", [2, 320, 3_201, 15_000, 1_000_000])
def test_frames_of_any_size_lead_to_the_same_words(size: int) -> None:
    audio = spoken("amber", "basil") + silence(800) + spoken("cedar") + silence(800)
    talk = Talk(session=vad())

    events = talk.say(*frames(audio, size))

    assert transcripts(events) == ["amber basil", "cedar"]
    assert bytes(talk.record.sound) == audio
    assert talk.record.bytes == len(audio)


def test_telephone_speech() -> None:
    talk = Talk(session=MANUAL | {"sample_rate": 8_000})

    events = talk.say(*frames(spoken("amber", "river", rate=8_000), 1_600), COMMIT)

    assert transcripts(events) == ["amber river"]


def test_noise_without_words_under_vad_has_an_empty_transcript() -> None:
    talk = Talk(scripted((Hypothesis(""),)), vad())

    events = talk.say(*frames(spoken("amber") + silence(800)))

    assert kinds(events) == ["speech_started", "speech_stopped", "committed", "created", "completed"]
    assert transcripts(events) == [""]
