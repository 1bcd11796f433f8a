"""One turn of speech: a listener, what it believed so far, and how that is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import UNSET

from compat.emulator.engine import Hypothesis, Listener
from compat.emulator.live_settings import LiveReadings
from compat.emulator.realtime.messages import Committed, Completed, ItemCreated, ServerEvent, Text
from compat.emulator.sound import BYTES_PER_MS


class Turn:
    """Beliefs wait until they are asked for: in manual mode they are told after the commit."""

    def __init__(
        self,
        listener: Listener,
        item_id: str,
        language: str,
        readings: LiveReadings,
        new_event_id: Callable[[], str],
    ) -> None:
        self.item_id = item_id
        self.size = 0  # bytes heard
        self._listener = listener
        self._language = language
        self._readings = readings
        self._new_event_id = new_event_id
        self._waiting: list[Hypothesis] = []
        self._told: Hypothesis | None = None
        self._final: Hypothesis | None = None

    @property
    def silent(self) -> bool:
        """Whether there was nothing in it; known once it is finished."""
        return self._final is not None and not self._final.text

    def hear(self, pcm: bytes, *, partial: bool) -> None:
        """`partial`: the beliefs are asked for while it goes on."""
        self.size += len(pcm)
        belief = self._listener.feed(pcm, partial=partial)
        if belief is not None:
            self._waiting.append(belief)

    def finish(self) -> None:
        """Once is enough."""
        if self._final is None:
            self._final = self._listener.finish()
            if self._final.text:
                self._waiting.append(self._final)

    def beliefs(self) -> Iterator[Text]:
        """Those that were not told yet and say something new."""
        for belief in self._waiting:
            shown = self._shown(belief)
            if shown != self._told:
                self._told = shown
                yield Text(
                    event_id=self._new_event_id(),
                    item_id=self.item_id,
                    text=shown.text,
                    stash=shown.stash,
                    language=self._language,
                )
        self._waiting.clear()

    def ended(self, previous_item: str | None) -> Iterator[ServerEvent]:
        """From committed to completed, of a turn that is finished."""
        yield Committed(event_id=self._new_event_id(), previous_item_id=previous_item, item_id=self.item_id)
        yield ItemCreated(event_id=self._new_event_id(), previous_item_id=previous_item, item=self._item())
        yield from self.beliefs()
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

    def _shown(self, belief: Hypothesis) -> Hypothesis:
        whole = " ".join(filter(None, (belief.text, belief.stash)))
        if self._readings.text_at_end:
            return Hypothesis("", whole)
        return Hypothesis(whole) if self._readings.revises else belief
