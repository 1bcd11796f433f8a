"""Conversations with the state machine of a live session, and abbreviations of its events."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec

from compat.emulator.engine import Engine, Hypothesis
from compat.emulator.engines.scripted import Scripted
from compat.emulator.engines.tones import Tones, encode, lay
from compat.emulator.live_records import LiveRecord
from compat.emulator.live_settings import LiveLimits, LiveReadings
from compat.emulator.realtime.live_session import LiveSession
from compat.emulator.realtime.session import Session

MODEL = "qwen3-asr-flash-realtime"
MANUAL = {"turn_detection": None}
HELLO = (Hypothesis("", "hello"), Hypothesis("hello", "word"), Hypothesis("hello world"))

Event = dict[str, Any]


def vad(threshold: float = 0.2, silence_duration_ms: int = 400) -> Event:
    return {
        "turn_detection": {
            "type": "server_vad",
            "threshold": threshold,
            "silence_duration_ms": silence_duration_ms,
        }
    }


def spoken(*words: str, begin_ms: int = 200, length_ms: int | None = None, rate: int = 16_000) -> bytes:
    return encode(lay(words, begin_ms=begin_ms), rate=rate, length_ms=length_ms)


def silence(ms: int) -> bytes:
    return bytes(ms * 32)


def appended(audio: bytes) -> Event:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}


def frames(audio: bytes, size: int = 3_200) -> list[Event]:
    return [appended(audio[at : at + size]) for at in range(0, len(audio), size)]


COMMIT: Event = {"type": "input_audio_buffer.commit"}
FINISH: Event = {"type": "session.finish"}


class SessionTalk:
    """Sends messages to a session, and returns the events that answer them."""

    session: LiveSession[Any, Any]

    def say(self, *messages: Event) -> list[Event]:
        return [decoded(event) for message in messages for event in self.session.receive(json.dumps(message))]

    def raw(self, text: str) -> list[Event]:
        return [decoded(event) for event in self.session.receive(text)]

    def refusal(self, message: Event) -> Event:
        """Send a message that is refused, and return its error."""
        (event,) = self.say(message)
        assert event["type"] == "error"
        error: Event = event["error"]
        assert error["type"] == "invalid_request_error"
        return error


class Talk(SessionTalk):
    """A conversation with a session of transcription."""

    def __init__(
        self,
        engine: Engine | None = None,
        session: Event | None = None,
        *,
        limits: LiveLimits | None = None,
        readings: LiveReadings | None = None,
    ) -> None:
        self.record = LiveRecord(id="sess_1", model=MODEL)
        self.session = Session(engine or Tones(), self.record, limits=limits, readings=readings, keep_sound=True)
        (self.created,) = map(decoded, self.session.opened())
        if session is not None:
            (updated,) = self.say({"type": "session.update", "session": session})
            assert updated["type"] == "session.updated"


def decoded(event: object) -> Event:
    built: Event = msgspec.json.decode(msgspec.json.encode(event))
    return built


def kinds(events: list[Event]) -> list[str]:
    """The last part of each type; runs of snapshots count as one."""
    short = [event["type"].rpartition(".")[2] for event in events]
    return [kind for at, kind in enumerate(short) if kind != "text" or short[at - 1 : at] != ["text"]]


def transcripts(events: list[Event]) -> list[str]:
    return [event["transcript"] for event in events if event["type"].endswith(".completed")]


def snapshots(events: list[Event]) -> list[tuple[str, str]]:
    return [(event["text"], event["stash"]) for event in events if event["type"].endswith(".text")]


def scripted(*turns: tuple[Hypothesis, ...]) -> Scripted:
    return Scripted(hypotheses=turns)
