"""One turn of transcribed speech, and the events that report it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import assert_never

from msgspec import UNSET

from compat.emulator.engine import Hypothesis, Listener
from compat.emulator.live_settings import LiveReadings
from compat.emulator.realtime.live_turn import LiveTurn
from compat.emulator.realtime.messages import Completed, Failed, ServerEvent, Text
from compat.emulator.sound import BYTES_PER_MS
from compat.emulator.text import separator


class Turn(LiveTurn):
    def __init__(
        self,
        listener: Listener,
        item_id: str,
        language: str | None,
        readings: LiveReadings,
        new_event_id: Callable[[], str],
    ) -> None:
        super().__init__(listener, item_id, language, new_event_id)
        self._readings = readings
        self._sent: Hypothesis | None = None

    def snapshots(self) -> Iterator[Text]:
        """Yield text events for new partial results."""
        for partial in self._waiting:
            shown = self._shown(partial)
            if shown != self._sent:
                self._sent = shown
                yield self._text(shown)
        self._waiting.clear()

    def sign_of_life(self) -> Iterator[Text]:
        """Yield the last snapshot again."""
        yield self._text(self._sent or Hypothesis(""))

    def _text(self, shown: Hypothesis) -> Text:
        return Text(
            event_id=self._new_event_id(),
            item_id=self.item_id,
            text=shown.text,
            stash=shown.stash,
            language=self._spoken,
            emotion=self._emotion,
        )

    def completed(self) -> Iterator[ServerEvent]:
        self.finish()
        yield from self.snapshots()
        if self._trouble is not None:
            yield Failed(item_id=self.item_id, error={"code": self._trouble.code, "message": self._trouble.message})
            return
        yield Completed(
            event_id=self._new_event_id(),
            item_id=self.item_id,
            transcript=self._final.text if self._final else "",
            language=self._spoken,
            emotion=self._emotion,
            usage={"type": "duration", "seconds": self.size / BYTES_PER_MS / 1000} if self._readings.usage else UNSET,
        )

    def _shown(self, partial: Hypothesis) -> Hypothesis:
        stash = separator(partial.text, partial.stash) + partial.stash
        whole = partial.text + stash
        match self._readings.text:
            case "prefix":
                return Hypothesis(partial.text, stash)
            case "at_end":
                return Hypothesis("", whole)
            case "revised":
                return Hypothesis(whole)
            case _:
                assert_never(self._readings.text)
