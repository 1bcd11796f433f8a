"""State machine of one session of transcription, in the documented order.

VAD: speech_started, text …, speech_stopped, committed, item created, text …, completed.
Manual: commit, committed, item created, text …, completed. (Model Studio, Qwen-ASR realtime interaction, 2026-09.)
"""

from __future__ import annotations

import msgspec

from compat.emulator.engine import Engine, Hints
from compat.emulator.live_records import LiveRecord
from compat.emulator.live_settings import LiveLimits, LiveReadings
from compat.emulator.realtime.configuration import Configuration, sample
from compat.emulator.realtime.live_session import LiveSession
from compat.emulator.realtime.messages import ClientEvent, Created, Refused, ServerEvent, decode
from compat.emulator.realtime.turn import Turn

_DECODER: msgspec.json.Decoder[ClientEvent] = msgspec.json.Decoder(ClientEvent)


class Session(LiveSession[Configuration, LiveReadings]):
    def __init__(
        self,
        engine: Engine,
        record: LiveRecord,
        *,
        limits: LiveLimits | None = None,
        readings: LiveReadings | None = None,
        keep_sound: bool = False,
    ) -> None:
        super().__init__(
            engine,
            record,
            Configuration(),
            limits=limits or LiveLimits(),
            readings=readings or LiveReadings(),
            keep_sound=keep_sound,
        )

    def opened(self) -> list[ServerEvent]:
        return [Created(event_id=self._id("event"), session=sample(self._record.id, self._record.model))]

    def _decode(self, message: str) -> ClientEvent:
        return decode(message, _DECODER)

    def _check(self, changed: Configuration) -> None:
        if changed.context is not None and not self._readings.context:
            raise Refused("corpus is not supported.", param="session.input_audio_transcription.corpus")

    def _new_turn(self) -> Turn:
        language, context = self._configuration.language, self._configuration.context or ""
        listener = self._engine.listen(Hints(language=language, context=context, timed=False))
        return Turn(listener, self._id("item"), language or "en", self._readings, lambda: self._id("event"))
