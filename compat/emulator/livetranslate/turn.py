"""One turn of translated speech: the events of its source, and those of its response."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from compat.emulator.engine import Engine, EngineTrouble, Hints, Hypothesis
from compat.emulator.live_settings import TranslationReadings
from compat.emulator.livetranslate import languages
from compat.emulator.livetranslate.configuration import TranslationConfiguration
from compat.emulator.livetranslate.messages import SourceDelta
from compat.emulator.livetranslate.response import Response
from compat.emulator.livetranslate.words import Agreement, Settled
from compat.emulator.realtime.live_turn import LiveTurn
from compat.emulator.realtime.messages import Completed, Failed, ServerEvent, Text
from compat.emulator.sound import BYTES_PER_MS


class TranslatedTurn(LiveTurn):
    """The response begins with the first settled word; a turn without words has none."""

    def __init__(
        self,
        engine: Engine,
        configuration: TranslationConfiguration,
        readings: TranslationReadings,
        new_id: Callable[[str], str],
    ) -> None:
        language = configuration.language
        listener = engine.listen(Hints(language=language, timed=False))
        super().__init__(listener, new_id("item"), language or "en", lambda: new_id("event"))
        self._configuration = configuration
        self._readings = readings
        self._nested = languages.is_nested(configuration.model)
        self._agreement = Agreement()
        self._settled = Settled()
        self._last = Hypothesis("")
        self._response = Response(engine, configuration, self.item_id, readings, new_id)

    def snapshots(self) -> Iterator[ServerEvent]:
        partials, self._waiting = self._waiting, []
        for partial in partials:
            settled = self._agreement.settled(partial)
            if self._configuration.transcribed:
                yield from self._source(settled if self._nested else partial)
            yield from self._response.heard(settled)

    def sign_of_life(self) -> Iterator[ServerEvent]:
        if self._configuration.transcribed:
            yield self._source_news(self._last, "")

    def committed(self, previous_item: str | None) -> Iterator[ServerEvent]:
        if self._readings.speech:
            yield from super().committed(previous_item)

    def completed(self) -> Iterator[ServerEvent]:
        self.finish()
        yield from self.snapshots()
        if self._readings.source == "before":
            yield from self._source_end()
        if self._trouble is not None:
            yield from self._response.failed(self._trouble)
        elif self._response.begun:
            yield from self._response.end(self.size // BYTES_PER_MS)
        if self._readings.source == "after":
            yield from self._source_end()

    def _source(self, hypothesis: Hypothesis) -> Iterator[ServerEvent]:
        new = "".join(self._settled.new_words(hypothesis.text))
        if new or (not self._nested and hypothesis != self._last):
            yield self._source_news(hypothesis, new)
        self._last = hypothesis

    def _source_news(self, hypothesis: Hypothesis, new: str) -> ServerEvent:
        event_id, language = self._new_event_id(), self._spoken
        if self._nested:
            return SourceDelta(event_id=event_id, item_id=self.item_id, delta=new, language=language)
        return Text(
            event_id=event_id,
            item_id=self.item_id,
            text=hypothesis.text,
            stash=hypothesis.stash,
            language=language,
            emotion=self._emotion,
        )

    def _source_end(self) -> Iterator[ServerEvent]:
        if not self._configuration.transcribed:
            return
        if self._trouble is not None:
            yield Failed(item_id=self.item_id, error=_error(self._trouble))
            return
        yield Completed(
            event_id=self._new_event_id(),
            item_id=self.item_id,
            transcript=self._final.text if self._final else "",
            language=self._spoken,
            emotion=self._emotion,
        )


def _error(trouble: EngineTrouble) -> dict[str, object]:
    return {"code": trouble.code, "message": trouble.message}
