"""`Dialect` for LiveTranslate on `/api-ws/v1/realtime?model=…`: speech in, its translation as text and voice out.

Audio is 16-bit mono PCM at 16 kHz. Versions 3 and 3.5 take flat settings and report snapshots of text, with `stash`;
version 3.8 takes nested settings and reports deltas. A turn begins as in the realtime protocol; its translation comes
in one or more responses, while the speaker still speaks, and ends with `response.done`. `session.finish` has everything
answered.

Here a turn is an item of the source with the responses to it, and its text is the translation. A response belongs to
the item that it names, else to the first one that has words and no response, else to the first one without a response.
If the service reports no items, each response is a turn of its own.

Sources: guide to LiveTranslate, its model pages and event pages (2026-05, 2026-11), and the official package (dashscope
2.0.2, `dashscope.v2.resources.audio.realtime`). Whether `previous_item_id` is always given, and whether the text of the
source comes before or after the translation, is not documented.
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar

import msgspec
import pybase64
from msgspec import UNSET

from compat.catalogue import translators
from compat.dashscope_api import faults
from compat.dashscope_api.live import realtime_messages as shared
from compat.dashscope_api.live import translate_messages as wire
from compat.dashscope_api.live import turns
from compat.text import joined

_SOURCE_MODEL = "qwen3-asr-flash-realtime"
_VOICE_RATE = 24_000
_REMEMBERED_TURNS = 64
_encoder = msgspec.json.Encoder()
_OTHER = turns.OtherEvent()


class _TranslatedTurn:
    """`sourced`: it is an item of the source. `texts`: of each response. `active`: those that have not ended."""

    def __init__(self, name: str, *, sourced: bool, stopped: bool) -> None:
        self.name = name
        self.sourced = sourced
        self.stopped = stopped
        self.end_ms: int | None = None
        self.source = ""
        self.transcribed = False
        self.texts: dict[str, str] = {}
        self.active: set[str] = set()
        self.usage: turns.TurnUsage | None = None

    @property
    def text(self) -> str:
        return joined(self.texts.values())

    def so_far(self, response: str, stash: str) -> tuple[str, str]:
        """Its text up to the end of the first response that goes on, and what may follow: `stash`, if it is of that
        response."""
        names = list(self.texts)
        shown = next((number for number, name in enumerate(names, 1) if name in self.active), len(names))
        text = joined(self.texts[name] for name in names[:shown])
        return text, stash if names[shown - 1] == response else ""

    @property
    def answered(self) -> bool:
        return bool(self.texts) and not self.active


class LiveTranslate:
    """`_open`: the turns without a final report, in order. `_turns` maps the items and responses of the service to
    turns, `_outputs` the items of translations to responses. `_late`: where turns begin that follow an ended one.
    `_expecting`: whether the text of the source is needed. The first report of a turn may be its translation, which is
    about 2.8 s late (vendor's figure)."""

    rules: ClassVar[turns.Rules] = turns.Rules(
        frame_bytes=32_000, idle=20.0, longest=6600.0, lingers=True, reported=6.0
    )
    spent: ClassVar[int] = 0
    silence: ClassVar[float | None] = None

    def __init__(self, model: str) -> None:
        self._model = translators.row(model)
        self._open: list[_TranslatedTurn] = []
        self._closed: deque[_TranslatedTurn] = deque()
        self._turns: dict[str, _TranslatedTurn] = {}
        self._outputs: dict[str, str] = {}
        self._late: list[turns.Report] = []
        self._expecting = False

    def setup(self, setup: turns.Setup, event_id: str) -> str:
        translation = setup.translation or turns.Translation()
        self._expecting = translation.transcript
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
        """A voice is named for text alone too: without one the service takes a default that it does not support."""
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
        """There is no context."""

    def append(self, audio: bytes, event_id: str) -> str:
        encoded = pybase64.b64encode_as_string(audio)
        return f'{{"type":"input_audio_buffer.append","event_id":"{event_id}","audio":"{encoded}"}}'

    def commit(self, event_id: str) -> None:
        """Only the end of the session ends a turn: some models refuse a commit."""

    def finish(self, event_id: str) -> str:
        return f'{{"type":"session.finish","event_id":"{event_id}"}}'

    def read(self, raw: str | bytes) -> tuple[turns.Report, ...]:
        """Return the reports in a frame from the service."""
        try:
            event = wire.decoder.decode(raw)
        except faults.UNREADABLE:
            return (shared.unknown(raw, wire.TAGS),)
        reports = [*self._reports(event), *self._finals()]
        late, self._late = self._late, []
        return (*late, *reports) or (_OTHER,)

    def _reports(self, event: wire.Event) -> list[turns.Report]:
        match event:
            case shared.WireStarted():
                self._item(event.item_id, stopped=False)
                return [turns.Started(event.item_id, shared.whole(event.audio_start_ms))]
            case shared.WireStopped():
                turn = self._item(event.item_id)
                turn.stopped, turn.end_ms = True, shared.whole(event.audio_end_ms)
                return [turns.Stopped(turn.name, turn.end_ms)]
            case shared.WireCommitted():
                self._item(event.item_id).stopped = True
                return [turns.TurnCommitted(event.item_id)]
            case wire.LtItemCreated() | wire.LtOutputItemAdded():
                self._link(event)
                return []
            case wire.LtSourceSnapshot() | wire.LtSourceDelta() | wire.LtSourceCompleted() | wire.LtSourceFailed():
                return self._source(self._item(event.item_id), event)
            case wire.LtResponseCreated():
                return []
            case wire.LtResponseDone():
                return self._responded(event.response)
            case shared.WireFinished():
                return [turns.Finished()]
            case shared.WireError():
                return [shared.report(event.error)]
            case _:
                response = event.response_id or event.item_id or ""
                return self._part(self._answers(response, event.previous_item_id, event.item_id), response, event)

    # --- turns ------------------------------------------------------------------------------------------------------

    def _item(self, name: str, *, stopped: bool = True, sourced: bool = True) -> _TranslatedTurn:
        turn = self._turns.get(name)
        if turn is None:
            turn = self._turns[name] = _TranslatedTurn(name, sourced=sourced, stopped=stopped)
            self._open.append(turn)
        return turn

    def _link(self, event: wire.LtItemCreated | wire.LtOutputItemAdded) -> None:
        """An item of a translation follows the item of its source."""
        item = event.item.id
        if item is None or event.item.role == "user":
            return
        if isinstance(event, wire.LtOutputItemAdded) and event.response_id:
            self._outputs[item] = event.response_id
        source = self._turns.get(event.previous_item_id or "")
        if source is None:
            return
        self._turns.setdefault(item, source)
        response = self._outputs.get(item)
        if response is not None and response not in self._turns and source in self._open:
            self._begin(response, source)

    def _answers(self, response: str, *names: str | None) -> _TranslatedTurn:
        """The turn that a response belongs to. `names`: of items, if it says them."""
        turn = self._turns.get(response)
        if turn is None:
            named = [self._turns.get(name or "") for name in names]
            known = next((found for found in named if found in self._open), None)
            ended = next(filter(None, named), None)
            turn = known or (None if ended else self._unanswered()) or self._item(response, sourced=False)
            if known is None and ended is not None:
                self._follow(turn, ended)
        if response not in turn.texts:
            self._begin(response, turn)
        return turn

    def _follow(self, turn: _TranslatedTurn, ended: _TranslatedTurn) -> None:
        """It is more text of a turn that has its result."""
        turn.end_ms = ended.end_ms
        if ended.end_ms is not None:
            late = turns.Started(turn.name, ended.end_ms, follows=ended.name), turns.Stopped(turn.name, ended.end_ms)
            self._late += late

    def _close(self, turn: _TranslatedTurn) -> None:
        """It gets no more reports. Its ids are remembered for a while, so that nothing late begins a turn."""
        self._open.remove(turn)
        self._closed.append(turn)
        if len(self._closed) > _REMEMBERED_TURNS:
            gone = self._closed.popleft()
            self._turns = {name: each for name, each in self._turns.items() if each is not gone}

    def _unanswered(self) -> _TranslatedTurn | None:
        """The first turn that has no response. One with words goes first: another may be noise."""
        waiting = [turn for turn in self._open if not turn.texts]
        return next((turn for turn in waiting if turn.source), None) or next(iter(waiting), None)

    def _begin(self, response: str, turn: _TranslatedTurn) -> None:
        self._turns[response] = turn
        self._outputs = {item: name for item, name in self._outputs.items() if name != response}
        turn.texts.setdefault(response, "")
        turn.active.add(response)

    def _finals(self) -> list[turns.Report]:
        """The turns that are complete now."""
        last = max((number for number, turn in enumerate(self._open) if turn.answered), default=-1)
        done = [turn for number, turn in enumerate(self._open) if self._complete(turn, passed=number < last)]
        for turn in done:
            self._close(turn)
        return [turns.Final(turn=turn.name, text=turn.text, usage=turn.usage) for turn in done]

    def _complete(self, turn: _TranslatedTurn, *, passed: bool) -> bool:
        """`passed`: a later turn is translated. The service translates turns in order, and noise not at all."""
        if turn.active or not (turn.stopped or passed):
            return False
        silent = turn.transcribed and not turn.source
        return passed or silent or (turn.answered and (turn.transcribed or not self._expecting or not turn.sourced))

    # --- text and voice ---------------------------------------------------------------------------------------------

    def _source(
        self,
        turn: _TranslatedTurn,
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

    def _part(self, turn: _TranslatedTurn, response: str, part: wire.LtPart) -> list[turns.Report]:
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
        text, stash = turn.so_far(response, stash)
        return [turns.Snapshot(turn=turn.name, text=text, stash=stash)]

    def _responded(self, response: wire.LtResponse) -> list[turns.Report]:
        """The end of a response, which may have had no parts."""
        name, failed = response.id or "", response.status == "failed"
        if name not in self._turns and (failed or self._unanswered()):
            self._answers(name, *(item for item, owner in self._outputs.items() if owner == name))
        turn = self._turns.get(name)
        if turn is None or turn not in self._open or name not in turn.active:
            return []
        turn.active.discard(name)
        turn.usage = _usage(turn.usage, response.usage)
        if not failed:
            return []
        self._close(turn)
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
    """Manual turns are documented, and were refused (third-party measurement, 2026-05)."""
    found = setting or turns.Detection(threshold=0.2, silence_ms=500)
    return wire.LtDetection(threshold=found.threshold, silence_duration_ms=found.silence_ms)


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
