"""`Dialect` for LiveTranslate on `/api-ws/v1/realtime?model=…`: speech in, its translation as text and voice out.

Audio is 16-bit mono PCM at 16 kHz. Versions 3 and 3.5 take flat settings and report snapshots of text, with `stash`;
version 3.8 takes nested settings and reports deltas. A turn begins as in the realtime protocol; its translation comes
in one or more responses, which may begin while the speaker is still speaking and end with `response.done`. After
`session.finish`, the service answers all that was sent before.

The text of a turn is its translation; `translated_turns` assigns the responses to turns.

Sources: guide to LiveTranslate, its model pages and event pages (2026-05, 2026-11), and the official package (dashscope
2.0.2, `dashscope.v2.resources.audio.realtime`). Whether `previous_item_id` is always given, and whether the text of the
source comes before or after the translation, is not documented.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pybase64
from msgspec import UNSET

from compat.catalogue import translators
from compat.dashscope_api import faults
from compat.dashscope_api.live import realtime_messages as shared
from compat.dashscope_api.live import translate_messages as wire
from compat.dashscope_api.live import turns
from compat.dashscope_api.live.translated_turns import TranslatedTurn, TranslatedTurns

_SOURCE_MODEL = "qwen3-asr-flash-realtime"
_VOICE_RATE = 24_000
_encoder = msgspec.json.Encoder()
_OTHER = turns.OtherEvent()


class LiveTranslate:
    """The dialect."""

    rules: ClassVar[turns.Rules] = turns.Rules(frame_bytes=32_000, idle=20.0, longest=6600.0, lingers=True)
    spent: ClassVar[int] = 0
    silence: ClassVar[float | None] = None

    def __init__(self, model: str) -> None:
        self._model = translators.row(model)
        self._turns = TranslatedTurns()

    def setup(self, setup: turns.Setup, event_id: str) -> str:
        translation = setup.translation or turns.Translation()
        self._turns.source_expected = translation.transcript
        session = self._nested(setup, translation) if self._model.nested else self._flat(setup, translation)
        return _encoder.encode(wire.LtUpdate(event_id=event_id, session=session)).decode()

    def _flat(self, setup: turns.Setup, translation: turns.Translation) -> wire.LtFlat:
        return wire.LtFlat(
            modalities=_modalities(translation),
            voice=translation.voice or UNSET,
            sample_rate=setup.rate,
            output_audio_format="pcm" if translation.voice else UNSET,
            input_audio_transcription=_source_model(translation),
            translation=_target(translation),
            turn_detection=_detection(setup.detection),
        )

    def _nested(self, setup: turns.Setup, translation: turns.Translation) -> wire.LtNested:
        """Return the settings of version 3.8. They name a voice even for text: the service refuses its own default."""
        spoken = wire.LtFormat(type="pcm", sample_rate=_VOICE_RATE) if translation.voice else UNSET
        return wire.LtNested(
            output_modalities=_modalities(translation),
            audio=wire.LtAudio(
                input=wire.LtInput(
                    format=wire.LtFormat(type="pcm", sample_rate=setup.rate),
                    turn_detection=_detection(setup.detection),
                ),
                output=wire.LtOutput(voice=translation.voice or self._model.voice, format=spoken),
            ),
            translation=_target(translation),
        )

    def revise(self, setup: turns.Setup, event_id: str) -> None:
        """Return None: these models take no context."""

    def append(self, audio: bytes, event_id: str) -> str:
        return shared.append(audio, event_id)

    def commit(self, event_id: str) -> None:
        """Return None: some models refuse a commit, so only the end of the session ends a turn."""

    def finish(self, event_id: str) -> str:
        return f'{{"type":"session.finish","event_id":"{event_id}"}}'

    def read(self, raw: str | bytes) -> tuple[turns.Report, ...]:
        """Return the reports in a frame from the service."""
        try:
            event = wire.decoder.decode(raw)
        except faults.UNREADABLE:
            return (shared.unknown(raw, wire.TAGS),)
        reports = self._reports(event)
        finals = [
            turns.Final(turn=turn.name, text=turn.text, usage=turn.usage) for turn in self._turns.close_complete()
        ]
        return (*self._turns.take_continued(), *reports, *finals) or (_OTHER,)

    def _reports(self, event: wire.Event) -> list[turns.Report]:
        match event:
            case shared.WireStarted():
                self._turns.of_item(event.item_id, stopped=False)
                return [turns.Started(event.item_id, shared.rounded(event.audio_start_ms))]
            case shared.WireStopped():
                turn = self._turns.of_item(event.item_id)
                turn.stopped, turn.end_ms = True, shared.rounded(event.audio_end_ms)
                return [turns.Stopped(turn.name, turn.end_ms)]
            case shared.WireCommitted():
                self._turns.of_item(event.item_id).stopped = True
                return [turns.TurnCommitted(event.item_id)]
            case wire.LtItemCreated() | wire.LtOutputItemAdded():
                self._link(event)
                return []
            case wire.LtSourceSnapshot() | wire.LtSourceDelta() | wire.LtSourceCompleted() | wire.LtSourceFailed():
                return self._source(self._turns.of_item(event.item_id), event)
            case wire.LtResponseCreated():
                return []
            case wire.LtResponseDone():
                return self._response_done(event.response)
            case shared.WireFinished():
                return [turns.Finished()]
            case shared.WireError():
                return [shared.report(event.error)]
            case _:
                response = event.response_id or event.item_id or ""
                return self._text(
                    self._turns.of_response(response, event.previous_item_id, event.item_id), response, event
                )

    def _link(self, event: wire.LtItemCreated | wire.LtOutputItemAdded) -> None:
        item = event.item.id
        if item is not None and event.item.role != "user":
            response = event.response_id if isinstance(event, wire.LtOutputItemAdded) else None
            self._turns.link(item, event.previous_item_id, response)

    def _source(
        self,
        turn: TranslatedTurn,
        event: wire.LtSourceSnapshot | wire.LtSourceDelta | wire.LtSourceCompleted | wire.LtSourceFailed,
    ) -> list[turns.Report]:
        stash = ""
        match event:
            case wire.LtSourceSnapshot():
                turn.source, stash = event.text or "", event.stash or ""
            case wire.LtSourceDelta():
                turn.source += event.delta or ""
            case wire.LtSourceCompleted():
                turn.source = event.transcript or turn.source
                turn.transcribed = True
            case wire.LtSourceFailed():
                turn.transcribed = True
        return [turns.SourceText(turn=turn.name, text=turn.source, stash=stash, final=turn.transcribed)]

    def _text(self, turn: TranslatedTurn, response: str, part: wire.LtPart) -> list[turns.Report]:
        stash = ""
        match part:
            case wire.LtAudioDelta():
                return _voice(turn.name, part.delta or "")
            case wire.LtTextSnapshot() | wire.LtSpokenSnapshot():
                turn.texts[response], stash = part.text or "", part.stash or ""
            case wire.LtTextDelta() | wire.LtSpokenDelta():
                turn.texts[response] += part.delta or ""
            case wire.LtTextDone():
                turn.texts[response] = part.text or turn.texts[response]
            case wire.LtSpokenDone():
                turn.texts[response] = part.transcript or turn.texts[response]
        text, stash = turn.text_so_far(response, stash)
        return [turns.Snapshot(turn=turn.name, text=text, stash=stash)]

    def _response_done(self, response: wire.LtResponse) -> list[turns.Report]:
        failed = response.status == "failed"
        turn = self._turns.end_response(response.id or "", failed=failed)
        if turn is None:
            return []
        turn.usage = _usage(turn.usage, response.usage)
        if not failed:
            return []
        self._turns.close(turn)
        fault = response.status_details.error if response.status_details else None
        code, message = (fault.code, fault.message) if fault else (None, None)
        return [turns.TurnFailed(turn.name, faults.task_fault(code, message, None))]


def _modalities(translation: turns.Translation) -> tuple[str, ...]:
    return ("text", "audio") if translation.voice else ("text",)


def _source_model(translation: turns.Translation) -> wire.LtSourceModel:
    model = _SOURCE_MODEL if translation.transcript else None
    return wire.LtSourceModel(model=model, language=translation.source or UNSET)


def _target(translation: turns.Translation) -> wire.LtTarget:
    phrases = translation.phrases
    return wire.LtTarget(language=translation.target, corpus=wire.LtCorpus(phrases) if phrases else UNSET)


def _detection(setting: turns.Detection | None) -> wire.LtDetection:
    """Return the setting. It is always set: the service refused manual turns, which are documented (third-party
    measurement, 2026-05)."""
    setting = setting or turns.Detection(threshold=0.2, silence_ms=500)
    return wire.LtDetection(threshold=setting.threshold, silence_duration_ms=setting.silence_ms)


def _voice(turn: str, coded: str) -> list[turns.Report]:
    try:
        return [turns.Voice(turn, pybase64.b64decode(coded, validate=True))]
    except ValueError:
        return [_OTHER]


def _usage(before: turns.TurnUsage | None, usage: wire.LtUsage | None) -> turns.TurnUsage | None:
    if usage is None:
        return before
    before = before or turns.TurnUsage(total_tokens=0)
    return turns.TurnUsage(
        input_tokens=before.input_tokens + (usage.input_tokens or 0),
        output_tokens=before.output_tokens + (usage.output_tokens or 0),
        total_tokens=(before.total_tokens or 0) + (usage.total_tokens or 0),
    )
