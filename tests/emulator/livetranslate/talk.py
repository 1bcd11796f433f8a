"""Conversations with the state machine of a LiveTranslate session, and abbreviations of its events."""

from __future__ import annotations

import base64

import numpy as np

from compat.emulator.engine import Engine
from compat.emulator.engines.tones import Decoder, Tones
from compat.emulator.live_records import LiveRecord
from compat.emulator.live_settings import LiveLimits, TranslationReadings
from compat.emulator.livetranslate.session import TranslationSession
from tests.emulator.realtime.talk import Event, SessionTalk, decoded

OLDEST = "qwen3-livetranslate-flash-realtime"
FLAT = "qwen3.5-livetranslate-flash-realtime"
NESTED = "qwen3.8-livetranslate-flash-realtime"


def settings(model: str, target: str = "zh", *, audio: bool = False, transcript: bool = True) -> Event:
    """A session as clients of the model send it."""
    kinds = ["text", "audio"] if audio else ["text"]
    translation = {"language": target}
    if model == NESTED:
        spoken = {"output": {"voice": "Tina"}, "input": {"format": {"type": "pcm", "sample_rate": 16_000}}}
        return {"output_modalities": kinds, "audio": spoken, "translation": translation}
    source = {"input_audio_transcription": {"model": "qwen3-asr-flash-realtime"}} if transcript else {}
    return {"modalities": kinds, "input_audio_format": "pcm", "translation": translation} | source


class Talk(SessionTalk):
    """A conversation with a session of translation."""

    def __init__(
        self,
        model: str = NESTED,
        session: Event | None = None,
        *,
        engine: Engine | None = None,
        limits: LiveLimits | None = None,
        readings: TranslationReadings | None = None,
    ) -> None:
        self.record = LiveRecord(id="sess_1", model=model)
        self.session = TranslationSession(engine or Tones(), self.record, limits=limits, readings=readings)
        (self.created,) = map(decoded, self.session.opened())
        if session is not None:
            (self.updated,) = self.say({"type": "session.update", "session": session})
            assert self.updated["type"] == "session.updated", self.updated


def of(kind: str, events: list[Event]) -> list[Event]:
    return [event for event in events if event["type"] == kind]


def kinds(events: list[Event]) -> list[str]:
    """The types, without `input_audio_buffer.` and the like; runs of one type count as one."""
    names = [event["type"].removeprefix("conversation.item.").removeprefix("input_audio_") for event in events]
    return [name for at, name in enumerate(names) if name != (names[at - 1] if at else "")]


def audio(events: list[Event]) -> bytes:
    return b"".join(base64.b64decode(event["delta"]) for event in of("response.audio.delta", events))


def said(pcm: bytes) -> list[str]:
    """The words that 24 kHz audio codes."""
    if not pcm:
        return []
    samples = np.frombuffer(pcm, "<i2")
    at = np.arange(len(samples) * 2 // 3) * 1.5
    decoder = Decoder()
    words = decoder.feed(np.interp(at, np.arange(len(samples)), samples).astype("<i2").tobytes())
    return [word.text for word in [*words, *decoder.flush()]]
