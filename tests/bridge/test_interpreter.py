"""Conversations of sessions that translate: the events for the client, and their order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compat.errors import ServiceUnavailable
from tests.bridge.service import Service, silence, word
from tests.bridge.translating import FLAT, NESTED, TEXT_ONLY, Listening, TranslateService

WHISPER = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
TURNS = b"".join(silence(600) + word(number) + silence(700) for number in (1, 2, 3))


def by_sentence(*turns: bytes) -> Listening:
    """A session without LiveTranslate, in which these turns are transcribed and wait for their translation."""
    client = Listening(Service(), TEXT_ONLY, language="es")
    client.connect()
    client.append(b"".join(turns))
    while client.service is not None and client.service.lines:
        line = client.service.lines.popleft()
        client.perform(client.bridge.from_upstream(line, client.now))
    return client


def received(client: Listening) -> list[str]:
    """Return the client's events from the first words on."""
    lines = []
    for frame in client.frames:
        match frame["type"].removeprefix("session."):
            case "output_transcript.delta":
                lines.append(frame["delta"])
            case "input_transcript.delta":
                lines.append(f"source {frame['delta']}")
            case "output_audio.delta":
                lines.append("voice")
            case "error":
                lines.append(f"error {frame['error']['code']} {frame['error']['param']}")
            case "closed":
                lines.append("closed")
            case _:
                pass
    return lines


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_sentences_are_sent_in_the_order_spoken(order: tuple[int, ...]) -> None:
    client = by_sentence(TURNS)
    sentences = client.sentences[:]

    for number in order:
        client.translate(sentences[number])

    assert client.text == "es1 es2 es3"


def test_sentences_without_full_stops_are_separated_in_scripts_without_spaces_between_words() -> None:
    client = by_sentence(TURNS)
    for sentence, thai in zip(client.sentences[:], ("สวัสดี", "ขอบคุณ", "ลาก่อน"), strict=True):
        client.perform(client.bridge.translated(sentence.ticket, thai, client.now))
    assert client.text == "สวัสดี ขอบคุณ ลาก่อน"


@pytest.mark.parametrize(("language", "heard", "written"), [("de", "de", "de"), ("nl", "", "nl"), ("am", "", None)])
def test_recognition_and_translation_get_the_language_that_they_know(
    language: str, heard: str, written: str | None
) -> None:
    client = Listening(Service(), TEXT_ONLY)
    client.connect()
    client.say(
        "session.update", session={"audio": {"input": {"transcription": {"model": "any", "language": language}}}}
    )
    client.append(silence(600) + word(1) + silence(700))
    while client.service is not None and client.service.lines:
        client.perform(client.bridge.from_upstream(client.service.lines.popleft(), client.now))

    assert client.service is not None
    assert (client.service.language, [each.source for each in client.sentences]) == (heard, [written])


def test_sentences_sent_faster_than_they_are_recognised_have_the_settings_at_their_place() -> None:
    client = Listening(Service(), TEXT_ONLY)
    client.connect()
    for language in ("es", "fr", "de"):
        client.append(silence(600) + word(1) + silence(1200))
        client.say("session.update", session={"audio": {"output": {"language": language}}})
    while client.service is not None and client.service.lines:
        client.perform(client.bridge.from_upstream(client.service.lines.popleft(), client.now))

    assert [each.target for each in client.sentences] == ["en", "es", "fr"]


def test_a_sentence_has_the_phrases_of_the_settings_in_which_it_began() -> None:
    client = Listening(Service(), TEXT_ONLY)
    client.connect()
    for phrases in ({"w1": "uno"}, None):
        client.say("session.update", session={"dashscope": {"phrases": phrases}})
        client.append(silence(600) + word(1) + silence(700))
        while client.service is not None and client.service.lines:
            line = client.service.lines.popleft()
            client.perform(client.bridge.from_upstream(line, client.now))

    assert [sentence.terms for sentence in client.sentences] == [{"w1": "uno"}, {}]


def test_a_sentence_that_cannot_be_translated_is_an_error_and_the_next_follow() -> None:
    client = by_sentence(TURNS)
    first, second, third = client.sentences

    client.translate(second)
    client.perform(client.bridge.translated(first.ticket, ServiceUnavailable("down"), client.now))
    client.perform(client.bridge.translated(third.ticket, "", client.now))

    assert received(client) == ["error service_unavailable None", "es2"]


def test_sentences_that_are_not_translated_when_the_session_ends_are_an_error_before_its_end() -> None:
    client = by_sentence(TURNS)
    first, second, third = client.sentences
    client.translate(second)
    client.close()
    client.translate(third)
    for _ in range(60):
        client.connect()
        while client.service and client.service.lines:
            client.perform(client.bridge.from_upstream(client.service.lines.popleft(), client.now))
        client.wait(1.0)
    client.translate(first)

    late = "error upstream_timeout None"
    assert received(client) == [late, "es2", " es3", late, "closed"]
    client.check()


@pytest.mark.parametrize("model", [FLAT, NESTED, TEXT_ONLY])
def test_speech_without_an_answer_at_the_end_of_a_session_is_one_error(model: str) -> None:
    client = Listening(Service() if model == TEXT_ONLY else TranslateService(model=model), model)
    client.connect()
    client.append(silence(600) + word(1) + silence(200))
    while client.service is not None and client.service.lines:
        client.perform(client.bridge.from_upstream(client.service.lines.popleft(), client.now))
    before = len(client.of("error"))
    client.close()
    for _ in range(60):
        client.wait(1.0)

    assert received(client)[-2:] == ["error upstream_timeout None", "closed"]
    assert len(client.of("error")) == before + 1


def test_every_turn_that_fails_is_an_error() -> None:
    """Also without speech between two of them."""
    client = Listening(Service(), TEXT_ONLY, language="es")
    client.connect()
    client.append(silence(3000))
    fault = {"code": "recognition_failed", "message": "no"}
    for item, at_ms in (("i", 500), ("j", 2000)):
        for kind, fields in (
            ("input_audio_buffer.speech_started", {"audio_start_ms": at_ms}),
            ("input_audio_buffer.speech_stopped", {"audio_end_ms": at_ms + 500}),
            ("input_audio_buffer.committed", {}),
            ("conversation.item.input_audio_transcription.failed", {"error": fault}),
        ):
            frame = json.dumps({"type": kind, "item_id": item, **fields})
            client.perform(client.bridge.from_upstream(frame, client.now))

    assert received(client) == ["error upstream_error None"] * 2


def test_a_sentence_has_the_target_that_was_set_when_it_began() -> None:
    client = Listening(Service(), TEXT_ONLY, language="es")
    client.connect()
    client.append(silence(600) + word(1) + silence(200))
    while client.deliver():
        pass
    client.say("session.update", session={"audio": {"output": {"language": "fr"}}})
    client.append(silence(700) + word(2) + silence(700))
    client.settle()

    assert client.text == "es1 fr2"


def test_a_close_waits_for_the_last_sentence() -> None:
    client = by_sentence(TURNS)
    client.close()
    client.settle()

    assert received(client) == ["es1", " es2", " es3", "closed"]
    assert client.hangup is not None
    assert client.hangup.code == 1000


@pytest.mark.parametrize("model", [FLAT, NESTED, TEXT_ONLY])
def test_a_session_without_sound_is_closed_at_once(model: str) -> None:
    client = Listening(Service() if model == TEXT_ONLY else TranslateService(model=model), model)

    client.close()

    assert received(client) == ["closed"]
    client.check()


@pytest.mark.parametrize("model", [FLAT, NESTED])
def test_text_and_voice_of_a_turn_wait_for_the_turn_before(model: str) -> None:
    client = Listening(TranslateService(model=model, late=1), model, language="es")
    client.say("session.update", session=WHISPER)
    client.connect()

    client.append(silence(600) + word(1) + silence(200) + word(2) + silence(700) + TURNS[len(TURNS) // 3 :])
    while client.deliver():
        pass

    assert client.text == "es1"
    assert client.voice == [1]
    client.settle()
    assert client.text == "es1 es2 es2 es3"
    assert client.voice == [1, 2, 2, 3]


@pytest.mark.parametrize("model", [FLAT, NESTED])
@pytest.mark.parametrize("settles", [True, False])
def test_a_contradiction_of_settled_text_is_counted_and_the_rest_is_sent(model: str, settles: bool) -> None:
    client = Listening(TranslateService(model=model, done="contradicted", settles=settles), model, language="es")
    client.connect()

    client.append(silence(600) + b"".join(word(number) + silence(100) for number in (1, 2, 3)) + silence(700))
    client.settle()

    assert client.text.lower() == "es1 es2 es3"
    assert client.bridge.corrections == 1


UNSUPPORTED: list[tuple[str, Any, str]] = [
    (FLAT, "Klingon", "session.audio.output.language"),
    (NESTED, "xx", "session.audio.output.language"),
    (TEXT_ONLY, "Klingon", "session.audio.output.language"),
]


@pytest.mark.parametrize(("model", "language", "param"), UNSUPPORTED)
def test_an_unsupported_target_is_an_error_and_the_session_goes_on(model: str, language: str, param: str) -> None:
    client = Listening(Service() if model == TEXT_ONLY else TranslateService(model=model), model, language="es")

    client.say("session.update", event_id="mine", session={"audio": {"output": {"language": language}}})
    client.connect()
    client.append(TURNS[: len(TURNS) // 3])
    client.settle()

    assert received(client)[0].endswith(param)
    assert client.of("error")[0]["error"]["event_id"] == "mine"
    assert client.text == "es1"


@pytest.mark.parametrize("model", [FLAT, NESTED, TEXT_ONLY])
@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        "[",
        '{"type": "input_audio_buffer.append", "audio": "AAAA"}',
        '{"type": "response.create"}',
        '{"type": "session.input_audio_buffer.append"}',
        '{"type": "session.input_audio_buffer.append", "audio": "?"}',
        '{"type": "session.update", "session": 5}',
        '{"type": "session.update"}',
        json.dumps({"type": "session.update", "session": {"model": "other"}}),
    ],
)
def test_a_wrong_event_is_an_error_and_the_session_goes_on(model: str, frame: str) -> None:
    client = Listening(Service() if model == TEXT_ONLY else TranslateService(model=model), model, language="es")
    client.perform(client.bridge.from_client(frame, client.now))

    assert [each["type"] for each in client.frames] == ["session.created", "error"]
    assert client.frames[-1]["error"]["type"] == "invalid_request_error"
    client.connect()
    client.append(TURNS[: len(TURNS) // 3])
    client.settle()
    client.check()
    assert client.text == "es1"


def source_texts(client: Listening, *texts: tuple[str, str]) -> None:
    """Reports of the source of one turn: a settled text, or one that is complete."""
    for kind, text in texts:
        field = "transcript" if kind == "completed" else "text"
        frame = {"type": f"conversation.item.input_audio_transcription.{kind}", "item_id": "i", field: text}
        client.perform(client.bridge.from_upstream(json.dumps(frame), client.now))


@pytest.mark.parametrize(
    ("texts", "source"),
    [
        ([("text", "one"), ("completed", "one two ")], "one two "),
        ([("text", "one"), ("completed", "one two "), ("completed", "one two ")], "one two "),
        ([("text", "one"), ("text", "one two"), ("completed", "One two three")], "one two three"),
        ([("text", "one to"), ("completed", "one two three"), ("completed", "one two three")], "one to three"),
        ([("completed", "one two"), ("completed", "One two")], "one two"),
    ],
)
@pytest.mark.parametrize("cut", [False, True])
def test_the_source_is_sent_once_whatever_its_reports(texts: list[tuple[str, str]], source: str, cut: bool) -> None:
    client = Listening(TranslateService(model=FLAT), language="es")
    client.say("session.update", session=WHISPER)
    client.connect()
    client.append(silence(600))
    started = {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": 100}

    for _ in range(2 if cut else 1):
        client.perform(client.bridge.from_upstream(json.dumps(started), client.now))
        source_texts(client, *texts)
        if cut:
            client.cut()
            client.wait(1.0)
            client.connect()

    assert client.source == source
