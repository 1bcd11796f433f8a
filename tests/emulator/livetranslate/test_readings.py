"""Every reading of what the documents leave open; engines that revise their results, fail, or have no voice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from compat.emulator.engine import NO_HINTS, EngineTrouble, Hints, Hypothesis, Listener, Sentence, Word
from compat.emulator.engines.scripted import Scripted
from compat.emulator.live_settings import TranslationReadings
from compat.emulator.realtime.connection import Over
from tests.emulator.livetranslate.talk import FLAT, NESTED, Talk, audio, kinds, of, settings
from tests.emulator.realtime.talk import FINISH, Event, frames, scripted, silence, spoken

WORDS = frames(spoken("amber", "basil", "cedar"))
END = ["response.content_part.done", "response.output_item.done", "response.done", "session.finished"]


def heard(
    readings: TranslationReadings, model: str = FLAT, messages: Iterable[Event] = (*WORDS, FINISH)
) -> list[Event]:
    return Talk(model, settings(model), readings=readings).say(*messages)


@pytest.mark.parametrize("model", [FLAT, NESTED])
def test_without_events_of_speech(model: str) -> None:
    events = heard(TranslationReadings(speech=False), model)

    assert not [event for event in events if event["type"].startswith("input_audio_buffer")]
    assert [event["item"]["role"] for event in of("conversation.item.created", events)] == ["assistant"]
    assert [event["text"] for event in of("response.text.done", events)] == ["[zh] amber basil cedar"]


def test_without_a_previous_item() -> None:
    (source, output) = sorted(
        of("conversation.item.created", heard(TranslationReadings(previous_item=False))),
        key=lambda event: event["item"]["role"],
        reverse=True,
    )

    assert (source["previous_item_id"], output["previous_item_id"]) == (None, None)


@pytest.mark.parametrize(
    ("source", "order"),
    [
        ("before", ["transcription.completed", "response.text.done", *END]),
        ("after", ["response.text.done", *END[:-1], "transcription.completed", END[-1]]),
    ],
)
def test_when_the_source_is_complete(source: str, order: list[str]) -> None:
    readings = TranslationReadings(source="after" if source == "after" else "before")

    assert kinds(heard(readings))[-len(order) :] == order


@pytest.mark.parametrize("model", [FLAT, NESTED])
@pytest.mark.parametrize(
    ("readings", "texts"),
    [
        (TranslationReadings(done="twice"), ["[zh] amber basil cedar"] * 2),
        (TranslationReadings(done="contradicted"), ["[ZH] AMBER BASIL CEDAR"]),
    ],
)
def test_the_complete_text(readings: TranslationReadings, texts: list[str], model: str) -> None:
    done = of("response.text.done", heard(readings, model))

    assert [event["text"] for event in done] == texts
    assert len({event["event_id"] for event in done}) == len(texts)
    assert len({event["response_id"] for event in done}) == 1


def test_the_end_is_not_acknowledged() -> None:
    talk = Talk(FLAT, settings(FLAT), readings=TranslationReadings(finished=False))
    talk.say(*WORDS)

    with pytest.raises(Over) as over:
        talk.say(FINISH)

    assert over.value.code == 1000


@pytest.mark.parametrize("model", [FLAT, NESTED])
def test_noise_without_words_has_no_response(model: str) -> None:
    talk = Talk(model, settings(model, audio=True), engine=Scripted())

    events = talk.say(*WORDS, FINISH)

    assert [event["type"] for event in events if event["type"].startswith("response")] == []
    (completed,) = of("conversation.item.input_audio_transcription.completed", events)
    assert completed["transcript"] == ""


@pytest.mark.parametrize("model", [FLAT, NESTED])
def test_silence_has_no_events(model: str) -> None:
    assert kinds(Talk(model, settings(model)).say(*frames(silence(2_000)), FINISH)) == ["session.finished"]


def test_settled_text_stays_if_the_engine_revises_it() -> None:
    engine = scripted((Hypothesis("hello", "word"), Hypothesis("hallo welt", "x"), Hypothesis("Hello, world again")))

    events = Talk(NESTED, settings(NESTED), engine=engine).say(*WORDS, FINISH)

    assert [event["delta"] for event in of("response.text.delta", events)] == ["[zh] hello", " welt", " again"]
    assert [event["text"] for event in of("response.text.done", events)] == ["[zh] hello welt again"]


def test_an_unchanged_snapshot_is_not_repeated() -> None:
    partial = [Hypothesis("hello", "world"), Hypothesis("hello", "world"), Hypothesis("hello", "word")]
    engine = scripted((*partial, Hypothesis("hello word")))

    events = Talk(FLAT, settings(FLAT), engine=engine).say(*WORDS, FINISH)

    assert [(event["text"], event["stash"]) for event in of("response.text.text", events)] == [
        ("[zh] hello", " world"),
        ("[zh] hello", " word"),
        ("[zh] hello word", ""),
    ]


def test_a_translation_into_the_language_of_the_source() -> None:
    engine = scripted((Hypothesis("hello"),), (Hypothesis("你好 world"),))
    talk = Talk(FLAT, settings(FLAT, "en"), engine=engine)

    events = talk.say(*WORDS, *frames(silence(1_000)), *WORDS, FINISH)

    assert [event["text"] for event in of("response.text.done", events)] == ["hello", "[en] 你好 world"]


def test_the_placeholder_voice() -> None:
    """It depends on the words alone, and marks of punctuation are silent."""

    def voiced(text: str) -> bytes:
        talk = Talk(FLAT, settings(FLAT, audio=True), engine=scripted((Hypothesis(text),)))
        return audio(talk.say(*WORDS, FINISH))

    assert voiced("hello, world") == voiced("hello world -") == voiced("hello") + voiced("world")
    assert len(voiced("hi")) < len(voiced("hello")) == (5 * 60 + 60) * 48
    assert voiced("hello") != voiced("jello")


class Failing:
    """An engine whose turns fail at their end; before, it says `said`."""

    blocking = False

    def __init__(self, said: Hypothesis | None) -> None:
        self._said = said

    def recognise(
        self, sound: Iterable[bytes], *, speakers: bool = False, hints: Hints = NO_HINTS
    ) -> Iterator[Sentence]:
        raise NotImplementedError

    def listen(self, hints: Hints = NO_HINTS) -> Listener:  # noqa: ARG002 - not used here
        return self

    def feed(self, pcm: bytes, *, partial: bool = True) -> Hypothesis | None:
        del pcm, partial
        return self._said

    def finish(self) -> Hypothesis:
        raise EngineTrouble("Busy", "too much to do")

    def words(self) -> tuple[Word, ...]:
        return ()


@pytest.mark.parametrize("said", [None, Hypothesis("hello")])
@pytest.mark.parametrize("model", [FLAT, NESTED])
def test_a_turn_that_fails(model: str, said: Hypothesis | None) -> None:
    events = Talk(model, settings(model), engine=Failing(said)).say(*WORDS, FINISH)

    (failed,) = of("conversation.item.input_audio_transcription.failed", events)
    assert failed["error"] == {"code": "Engine.Busy", "message": "too much to do"}
    (done,) = of("response.done", events)
    assert done["response"]["status"] == "failed"
    assert done["response"]["status_details"]["error"]["code"] == "Engine.Busy"
    assert len(of("response.created", events)) == 1
