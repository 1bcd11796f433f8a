"""State machine of one LiveTranslate session.

VAD: speech_started, source text and response as words settle, speech_stopped, committed, item created, the rest of
both. Manual: commit, then the same. `session.finish` ends the open turn and sends session.finished. (Model Studio,
live-translator events, 2026-11; field reports.)
"""

from __future__ import annotations

import msgspec

from compat.emulator.engine import Engine
from compat.emulator.live_records import LiveRecord
from compat.emulator.live_settings import LiveLimits, TranslationReadings
from compat.emulator.livetranslate import languages
from compat.emulator.livetranslate.configuration import TranslationConfiguration, initial
from compat.emulator.livetranslate.messages import AppendImage, ClientEvent, CreateResponse
from compat.emulator.livetranslate.turn import TranslatedTurn
from compat.emulator.realtime import messages
from compat.emulator.realtime.connection import Over
from compat.emulator.realtime.live_session import Events, LiveSession
from compat.emulator.realtime.messages import Commit, Created, Refused, ServerEvent, decode

_DECODER: msgspec.json.Decoder[ClientEvent] = msgspec.json.Decoder(ClientEvent)


class TranslationSession(LiveSession[TranslationConfiguration, TranslationReadings]):
    def __init__(
        self,
        engine: Engine,
        record: LiveRecord,
        *,
        limits: LiveLimits | None = None,
        readings: TranslationReadings | None = None,
        keep_sound: bool = False,
    ) -> None:
        super().__init__(
            engine,
            record,
            initial(record.model),
            limits=limits or LiveLimits(),
            readings=readings or TranslationReadings(),
            keep_sound=keep_sound,
        )
        record.transcribed = self._configuration.transcribed

    def opened(self) -> list[ServerEvent]:
        session = self._configuration.session(self._record.id, self._record.model)
        return [Created(event_id=self._id("event"), session=session)]

    def _decode(self, message: str) -> messages.ClientEvent | None:
        event = decode(message, _DECODER)
        by_hand = isinstance(event, Commit | CreateResponse)
        if by_hand and not self._readings.manual and languages.is_oldest(self._record.model):
            raise Refused("Turns are ended by turn detection only.", param="type")
        return None if isinstance(event, AppendImage | CreateResponse) else event

    def _check(self, changed: TranslationConfiguration) -> None:
        if changed.voice is None and not self._readings.default_voice:
            raise Refused("The default voice is not supported by this model.", param="session.audio.output.voice")

    def _update(self, session: dict[str, object]) -> Events:
        yield from super()._update(session)
        self._record.transcribed = self._configuration.transcribed

    def _append(self, audio: bytes) -> Events:
        self._check(self._configuration)
        return super()._append(audio)

    def _new_turn(self) -> TranslatedTurn:
        return TranslatedTurn(self._engine, self._configuration, self._readings, self._id)

    def _finish(self) -> Events:
        """End the session, and an uncommitted manual turn too."""
        if self._vad is None and self._turn is not None:
            yield from self._commit()
        yield from super()._finish()

    @property
    def _overlapping(self) -> bool:
        return False

    @property
    def _tells_speech(self) -> bool:
        return self._readings.speech

    def _finished(self) -> Events:
        if not self._readings.finished:
            raise Over(1000)
        return super()._finished()
