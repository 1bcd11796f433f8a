"""LiveTranslate's two dialects: requests, and the turn of each event, under every reading of the documents."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from compat.dashscope_api.live import turns
from compat.dashscope_api.live.live_translate import LiveTranslate
from compat.errors import RateLimited

OLDEST = "qwen3-livetranslate-flash-realtime"
FLAT = "qwen3.5-livetranslate-flash-realtime"
NESTED = "qwen3.8-livetranslate-flash-realtime"
VAD = {"type": "server_vad", "threshold": 0.2, "silence_duration_ms": 500}
PCM = {"type": "pcm", "sample_rate": 16000}


@pytest.mark.parametrize(
    ("model", "translation", "session"),
    [
        (
            FLAT,
            turns.Translation(target="es"),
            {
                "modalities": ["text"],
                "input_audio_format": "pcm",
                "sample_rate": 16000,
                "input_audio_transcription": {"model": None},
                "translation": {"language": "es"},
                "turn_detection": VAD,
            },
        ),
        (
            OLDEST,
            turns.Translation(target="ja", voice="Cherry", transcript=True, source="zh", phrases={"a": "b"}),
            {
                "modalities": ["text", "audio"],
                "voice": "Cherry",
                "input_audio_format": "pcm",
                "sample_rate": 16000,
                "output_audio_format": "pcm",
                "input_audio_transcription": {"model": "qwen3-asr-flash-realtime", "language": "zh"},
                "translation": {"language": "ja", "corpus": {"phrases": {"a": "b"}}},
                "turn_detection": VAD,
            },
        ),
        (
            NESTED,
            turns.Translation(target="es", source="zh"),
            {
                "output_modalities": ["text"],
                "audio": {"input": {"format": PCM, "turn_detection": VAD}, "output": {"voice": "Tina"}},
                "translation": {"language": "es"},
            },
        ),
        (
            NESTED,
            turns.Translation(target="es", voice="Ethan", transcript=True, phrases={"a": "b"}),
            {
                "output_modalities": ["text", "audio"],
                "audio": {
                    "input": {"format": PCM, "turn_detection": VAD},
                    "output": {"voice": "Ethan", "format": {"type": "pcm", "sample_rate": 24000}},
                },
                "translation": {"language": "es", "corpus": {"phrases": {"a": "b"}}},
            },
        ),
    ],
)
def test_the_settings_of_a_session(model: str, translation: turns.Translation, session: dict[str, Any]) -> None:
    setup = turns.Setup(model=model, detection=turns.Detection(0.2, 500), translation=translation)
    sent = json.loads(LiveTranslate(model).setup(setup, "e"))
    assert sent == {"type": "session.update", "event_id": "e", "session": session}


def test_append_and_finish() -> None:
    wire = LiveTranslate(FLAT)
    append = {"type": "input_audio_buffer.append", "event_id": "e", "audio": "AAE="}
    assert json.loads(wire.append(b"\0\1", "e")) == append
    assert json.loads(wire.finish("e")) == {"type": "session.finish", "event_id": "e"}


def started(item: str) -> dict[str, Any]:
    return {"type": "input_audio_buffer.speech_started", "item_id": item, "audio_start_ms": 10}


def stopped(item: str) -> dict[str, Any]:
    return {"type": "input_audio_buffer.speech_stopped", "item_id": item, "audio_end_ms": 20}


def committed(item: str) -> dict[str, Any]:
    return {"type": "input_audio_buffer.committed", "item_id": item}


def heard(item: str, text: str, stash: str = "") -> dict[str, Any]:
    return {**SOURCE("text"), "item_id": item, "text": text, "stash": stash}


def heard_more(item: str, delta: str) -> dict[str, Any]:
    return {**SOURCE("delta"), "item_id": item, "delta": delta}


def transcribed(item: str, transcript: str) -> dict[str, Any]:
    return {**SOURCE("completed"), "item_id": item, "transcript": transcript}


def untranscribed(item: str) -> dict[str, Any]:
    return {**SOURCE("failed"), "item_id": item, "error": {"code": "x", "message": "no"}}


def SOURCE(kind: str) -> dict[str, Any]:  # noqa: N802
    return {"type": f"conversation.item.input_audio_transcription.{kind}"}


def added(response: str, previous: str | None = None) -> dict[str, Any]:
    item = {"id": f"a{response}", "role": "assistant"}
    return {"type": "response.output_item.added", "response_id": response, "previous_item_id": previous, "item": item}


def created(response: str, previous: str | None = None) -> dict[str, Any]:
    item = {"id": f"a{response}", "role": "assistant"}
    return {"type": "conversation.item.created", "previous_item_id": previous, "item": item}


def part(kind: str, response: str, previous: str | None = None, **fields: str) -> dict[str, Any]:
    named = {"previous_item_id": previous} if previous else {}
    return {"type": f"response.{kind}", "response_id": response, "item_id": f"a{response}", **named, **fields}


def text(response: str, settled: str, stash: str = "", previous: str | None = None) -> dict[str, Any]:
    return part("text.text", response, previous, text=settled, stash=stash)


def more(response: str, delta: str) -> dict[str, Any]:
    return part("text.delta", response, delta=delta)


def complete(response: str, whole: str) -> dict[str, Any]:
    return part("text.done", response, text=whole)


def voice(response: str, pcm: bytes) -> dict[str, Any]:
    return part("audio.delta", response, delta=base64.b64encode(pcm).decode())


def done(response: str, tokens: int = 3) -> dict[str, Any]:
    usage = {"input_tokens": tokens - 1, "output_tokens": 1, "total_tokens": tokens}
    return {"type": "response.done", "response": {"id": response, "status": "completed", "usage": usage}}


def failed(response: str) -> dict[str, Any]:
    error = {"code": "Throttling.RateQuota", "message": "x"}
    return {
        "type": "response.done",
        "response": {"id": response, "status": "failed", "status_details": {"error": error}},
    }


FINISHED = {"type": "session.finished"}


def line(report: turns.Report) -> str:
    match report:
        case turns.Started(turn=turn):
            return f"started {turn}"
        case turns.Stopped(turn=turn):
            return f"stopped {turn}"
        case turns.TurnCommitted(turn=turn):
            return f"committed {turn}"
        case turns.Snapshot(turn=turn, text=text, stash=stash):
            return f"{turn}: {text}|{stash}"
        case turns.SourceText(turn=turn, text=text, stash=stash, final=final):
            return f"{turn} source: {text}|{stash}{'.' if final else ''}"
        case turns.Voice(turn=turn, pcm=pcm):
            return f"{turn} voice {len(pcm)}"
        case turns.Final(turn=turn, text=text):
            return f"final {turn}: {text}"
        case turns.TurnFailed(turn=turn):
            return f"failed {turn}"
        case _:
            return type(report).__name__


def read(model: str, events: list[dict[str, Any]], *, transcript: bool = True) -> list[str]:
    """The reports of these events, without those of speech."""
    wire = LiveTranslate(model)
    wire.setup(turns.Setup(model=model, translation=turns.Translation(transcript=transcript)), "e")
    lines = [line(report) for event in events for report in wire.read(json.dumps(event))]
    ended = [turn for turn in lines if turn.startswith(("final", "failed"))]
    assert len({turn.split()[1] for turn in ended}) == len(ended)
    return [each for each in lines if not each.startswith(("started", "stopped", "committed", "OtherEvent"))]


SPOKEN = [started("i"), stopped("i"), committed("i")]
CONVERSATIONS: dict[str, tuple[str, bool, list[dict[str, Any]], list[str]]] = {
    "snapshots": (
        FLAT,
        False,
        [started("i"), added("r"), created("r", "i"), text("r", "a", " b"), text("r", "a b"), stopped("i"),
         committed("i"), complete("r", "a b."), done("r")],
        ["i: a| b", "i: a b|", "i: a b.|", "final i: a b."],
    ),
    "deltas": (
        NESTED,
        False,
        [started("i"), heard_more("i", "x"), more("r", "a"), more("r", " b"), stopped("i"), complete("r", "a b"),
         transcribed("i", "x"), done("r")],
        ["i source: x|", "i: a|", "i: a b|", "i: a b|", "i source: x|.", "final i: a b"],
    ),
    "the source after the translation": (
        FLAT,
        True,
        [*SPOKEN, heard("i", "x", "y"), text("r", "a"), done("r"), transcribed("i", "x y")],
        ["i source: x|y", "i: a|", "i source: x y|.", "final i: a"],
    ),
    "a source that fails": (
        FLAT,
        True,
        [*SPOKEN, text("r", "a"), done("r"), untranscribed("i")],
        ["i: a|", "i source: |.", "final i: a"],
    ),
    "the translation ends before the speech": (
        FLAT,
        False,
        [started("i"), text("r", "a"), done("r"), *SPOKEN[1:]],
        ["i: a|", "final i: a"],
    ),
    "complete twice": (
        NESTED,
        False,
        [*SPOKEN, more("r", "a"), complete("r", "a b"), complete("r", "a b"), done("r"), done("r")],
        ["i: a|", "i: a b|", "i: a b|", "final i: a b"],
    ),
    "complete once more when the turn is over": (
        FLAT,
        False,
        [*SPOKEN, text("r", "a"), done("r"), complete("r", "a"), started("j"), text("s", "b"), stopped("j"), done("s")],
        ["i: a|", "final i: a", "i: a|", "j: b|", "final j: b"],
    ),
    "the complete text contradicts": (
        FLAT,
        False,
        [*SPOKEN, text("r", "a b"), complete("r", "A B c"), done("r")],
        ["i: a b|", "i: A B c|", "final i: A B c"],
    ),
    "an empty complete text": (
        FLAT,
        False,
        [*SPOKEN, text("r", "a"), complete("r", ""), done("r")],
        ["i: a|", "i: a|", "final i: a"],
    ),
    "voice": (
        NESTED,
        False,
        [*SPOKEN, more("r", "a"), voice("r", b"\0\0\1\1"), part("audio.delta", "r", delta="?"), done("r")],
        ["i: a|", "i voice 4", "final i: a"],
    ),
    "voice before text": (FLAT, False, [*SPOKEN, voice("r", b"12"), text("r", "a"), done("r")],
                          ["i voice 2", "i: a|", "final i: a"]),
    "several responses for one item": (
        FLAT,
        False,
        [started("i"), created("r", "i"), text("r", "a."), done("r"), created("s", "i"), text("s", "b"), *SPOKEN[1:],
         done("s")],
        ["i: a.|", "i: a. b|", "final i: a. b"],
    ),
    "a second response while the first one goes on": (
        FLAT,
        False,
        [started("i"), created("r", "i"), created("s", "i"), text("r", "a"), text("s", "c"), text("r", "a b"),
         *SPOKEN[1:], done("r"), text("s", "c d"), done("s")],
        ["i: a|", "i: a|", "i: a b|", "i: a b c d|", "final i: a b c d"],
    ),
    "a response after the end of its turn": (
        FLAT,
        False,
        [*SPOKEN, added("r", "i"), text("r", "a"), done("r"), added("s", "i"), created("s", "i"), text("s", "b"),
         done("s")],
        ["i: a|", "final i: a", "s: b|", "final s: b"],
    ),
    "a response names its item in each part": (
        FLAT,
        False,
        [*SPOKEN, started("j"), text("s", "b", "", "j"), text("r", "a", "", "i"), done("r"), stopped("j"), done("s")],
        ["j: b|", "i: a|", "final i: a", "final j: b"],
    ),
    "responses that name nothing": (
        FLAT,
        False,
        [*SPOKEN, started("j"), text("r", "a"), text("s", "b"), done("r"), stopped("j"), done("s")],
        ["i: a|", "j: b|", "final i: a", "final j: b"],
    ),
    "responses that end in another order": (
        FLAT,
        False,
        [*SPOKEN, started("j"), stopped("j"), text("r", "a"), text("s", "b"), done("s"), done("r")],
        ["i: a|", "j: b|", "final j: b", "final i: a"],
    ),
    "noise without a response": (
        FLAT,
        False,
        [*SPOKEN, started("j"), created("s", "j"), text("s", "b"), stopped("j"), done("s")],
        ["j: b|", "final i: ", "final j: b"],
    ),
    "noise before a response that names nothing": (
        FLAT,
        True,
        [*SPOKEN, started("j"), heard("j", "x"), text("r", "a"), stopped("j"), transcribed("j", "x"), done("r")],
        ["j source: x|", "j: a|", "j source: x|.", "final i: ", "final j: a"],
    ),
    "noise with an empty source": (NESTED, True, [*SPOKEN, transcribed("i", "")], ["i source: |.", "final i: "]),
    "a response without text": (FLAT, False, [*SPOKEN, added("r"), created("r", "i"), done("r")], ["final i: "]),
    "a response without anything": (FLAT, False, [*SPOKEN, done("r")], ["final i: "]),
    "no events of speech": (
        FLAT,
        False,
        [text("r", "a"), done("r"), text("s", "b"), done("s")],
        ["r: a|", "final r: a", "s: b|", "final s: b"],
    ),
    "no events of speech, but a source": (
        FLAT,
        True,
        [heard("i", "x"), created("r", "i"), text("r", "a"), done("r"), transcribed("i", "x y"), heard("j", "z"),
         text("s", "b"), transcribed("j", "z"), done("s")],
        ["i source: x|", "i: a|", "i source: x y|.", "final i: a", "j source: z|", "j: b|", "j source: z|.",
         "final j: b"],
    ),
    "a failed response": (FLAT, False, [*SPOKEN, text("r", "a"), failed("r")], ["i: a|", "failed i"]),
    "a failed empty response": (FLAT, False, [*SPOKEN, added("r"), created("r", "i"), failed("r")], ["failed i"]),
    "a failed response that names nothing": (FLAT, False, [*SPOKEN, failed("r")], ["failed i"]),
    "a failed response without events of speech": (FLAT, False, [failed("r")], ["failed r"]),
    "a failed response after the end of its turn": (
        FLAT,
        False,
        [*SPOKEN, added("r", "i"), text("r", "a"), done("r"), added("s", "i"), failed("s")],
        ["i: a|", "final i: a", "failed s"],
    ),
    "an open response after a failed one": (
        FLAT,
        False,
        [*SPOKEN, created("r", "i"), text("r", "a"), failed("r"), created("s", "i"), text("s", "b"), done("s")],
        ["i: a|", "failed i", "s: b|", "final s: b"],
    ),
    "nulls": (
        FLAT,
        True,
        [*SPOKEN, {**SOURCE("text"), "item_id": "i", "text": None, "stash": None}, part("text.text", "r"),
         {"type": "response.done", "response": {"id": "r", "status": None, "usage": None}}, transcribed("i", "x")],
        ["i source: |", "i: |", "i source: x|.", "final i: "],
    ),
    "the end": (NESTED, False, [FINISHED], ["Finished"]),
}  # fmt: skip


@pytest.mark.parametrize(("model", "transcript", "events", "reports"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_a_conversation(model: str, transcript: bool, events: list[dict[str, Any]], reports: list[str]) -> None:
    assert read(model, events, transcript=transcript) == reports


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_may_break_off_or_repeat_an_event_anywhere(name: str) -> None:
    model, transcript, events, _ = CONVERSATIONS[name]
    for at in range(len(events)):
        read(model, events[:at], transcript=transcript)
        read(model, events[at:], transcript=transcript)
        if not events[at]["type"].endswith(".delta"):
            read(model, [*events[: at + 1], *events[at:]], transcript=transcript)


def test_the_usage_of_all_responses() -> None:
    wire = LiveTranslate(FLAT)
    events = [started("i"), text("r", "a"), done("r"), created("s", "i"), text("s", "b"), stopped("i"), done("s", 7)]
    reports = [report for event in events for report in wire.read(json.dumps(event))]
    final = reports[-1]
    assert isinstance(final, turns.Final)
    assert final.usage == turns.TurnUsage(input_tokens=8, output_tokens=2, total_tokens=10)


def test_the_error_of_a_failed_response() -> None:
    wire = LiveTranslate(FLAT)
    reports = [report for event in [*SPOKEN, failed("r")] for report in wire.read(json.dumps(event))]
    final = reports[-1]
    assert isinstance(final, turns.TurnFailed)
    assert type(final.error) is RateLimited


@pytest.mark.parametrize("kind", ["response.later", "session.created"])
def test_events_without_a_meaning(kind: str) -> None:
    assert LiveTranslate(FLAT).read(json.dumps({"type": kind, "session": {}})) == (turns.OtherEvent(),)


@pytest.mark.parametrize("raw", ["", "{", "7", "{}", b"\xff", json.dumps(started("i") | {"item_id": 7})])
def test_an_invalid_event_breaks_the_session(raw: str | bytes) -> None:
    (report,) = LiveTranslate(FLAT).read(raw)
    assert isinstance(report, turns.Broken)
