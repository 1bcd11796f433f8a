"""One turn of live speech: a listener, its partial results, and the events that report them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import assert_never

from msgspec import UNSET

from compat.emulator.engine import Hypothesis, Listener
from compat.emulator.live_settings import LiveReadings
from compat.emulator.realtime.messages import Committed, Completed, ItemCreated, ServerEvent, Text
from compat.emulator.sound import BYTES_PER_MS


class Turn:
    """Keeps partial results until `snapshots` is called; in manual mode that is after the commit."""

    def __init__(
        self,
        listener: Listener,
        item_id: str,
        language: str,
        readings: LiveReadings,
        new_event_id: Callable[[], str],
    ) -> None:
        self.item_id = item_id
        self.size = 0  # bytes of PCM received
        self._listener = listener
        self._language = language
        self._readings = readings
        self._new_event_id = new_event_id
        self._waiting: list[Hypothesis] = []
        self._sent: Hypothesis | None = None
        self._final: Hypothesis | None = None

    @property
    def silent(self) -> bool:
        """Whether a finished turn has no text."""
        return self._final is not None and not self._final.text

    def hear(self, pcm: bytes, *, partial: bool) -> None:
        """`partial`: snapshots are sent while the turn continues."""
        self.size += len(pcm)
        result = self._listener.feed(pcm, partial=partial)
        if result is not None:
            self._waiting.append(result)

    def finish(self) -> None:
        """Idempotent."""
        if self._final is None:
            self._final = self._listener.finish()
            if self._final.text:
                self._waiting.append(self._final)

    def snapshots(self) -> Iterator[Text]:
        """Text events for the partial results that are new."""
        for partial in self._waiting:
            shown = self._shown(partial)
            if shown != self._sent:
                self._sent = shown
                yield Text(
                    event_id=self._new_event_id(),
                    item_id=self.item_id,
                    text=shown.text,
                    stash=shown.stash,
                    language=self._language,
                )
        self._waiting.clear()

    def ended(self, previous_item: str | None) -> Iterator[ServerEvent]:
        """The events from committed to completed, for a finished turn."""
        yield Committed(event_id=self._new_event_id(), previous_item_id=previous_item, item_id=self.item_id)
        yield ItemCreated(event_id=self._new_event_id(), previous_item_id=previous_item, item=self._item())
        yield from self.snapshots()
        yield Completed(
            event_id=self._new_event_id(),
            item_id=self.item_id,
            transcript=self._final.text if self._final else "",
            language=self._language,
            usage={"type": "duration", "seconds": self.size / BYTES_PER_MS / 1000} if self._readings.usage else UNSET,
        )

    def _item(self) -> dict[str, object]:
        return {
            "id": self.item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }

    def _shown(self, partial: Hypothesis) -> Hypothesis:
        whole = " ".join(filter(None, (partial.text, partial.stash)))
        match self._readings.text:
            case "prefix":
                return partial
            case "at_end":
                return Hypothesis("", whole)
            case "revised":
                return Hypothesis(whole)
            case _:
                assert_never(self._readings.text)
