"""One turn of live speech: a listener, its partial results, and the events of its item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from compat.emulator.engine import EngineTrouble, Hypothesis, Listener, PatientListener
from compat.emulator.realtime.messages import Committed, ItemCreated, ServerEvent


class LiveTurn(ABC):
    """Keeps partial results until `snapshots` is called; in manual mode that is after the commit."""

    def __init__(self, listener: Listener, item_id: str, language: str | None, new_event_id: Callable[[], str]) -> None:
        self.item_id = item_id
        self.size = 0  # bytes of PCM received
        self._listener = listener
        self._patient = listener if isinstance(listener, PatientListener) else None
        self._language = language
        self._new_event_id = new_event_id
        self._waiting: list[Hypothesis] = []
        self._final: Hypothesis | None = None
        self._trouble: EngineTrouble | None = None

    @property
    def waiting(self) -> bool:
        """Whether the turn has ended and another machine still works on it."""
        return self._patient is not None and not self._patient.done()

    def stop(self) -> None:
        """Cancel the work of another machine. May be called from any thread."""
        if self._patient is not None:
            self._patient.stop()

    @property
    def silent(self) -> bool:
        """Whether a finished turn has no text."""
        return self._final is not None and not self._final.text

    def hear(self, pcm: bytes, *, partial: bool) -> None:
        """Take audio. With `partial`, snapshots are sent while the turn continues."""
        self.size += len(pcm)
        result = self._listener.feed(pcm, partial=partial)
        if result is not None:
            self._waiting.append(result)

    def end(self) -> None:
        """End the audio, and recognise it. If another machine does that, the turn is `waiting`."""
        if self._patient is not None:
            self._patient.end()
        else:
            self.finish()

    def finish(self) -> None:
        """Take the final result. May be called again."""
        if self._final is None:
            try:
                self._final = self._listener.finish()
            except EngineTrouble as exc:
                self._final, self._trouble = Hypothesis(""), exc
            if self._final.text:
                self._waiting.append(self._final)

    @abstractmethod
    def snapshots(self) -> Iterator[ServerEvent]:
        """Yield the events of new partial results."""

    @abstractmethod
    def sign_of_life(self) -> Iterator[ServerEvent]:
        """Return an event that shows that the turn is in progress, if there is one."""

    @abstractmethod
    def completed(self) -> Iterator[ServerEvent]:
        """Yield the events of the result, once the turn is not `waiting`."""

    def committed(self, previous_item: str | None) -> Iterator[ServerEvent]:
        yield Committed(event_id=self._new_event_id(), previous_item_id=previous_item, item_id=self.item_id)
        yield ItemCreated(event_id=self._new_event_id(), previous_item_id=previous_item, item=self._item())

    @property
    def _spoken(self) -> str | None:
        return self._patient.language if self._patient is not None else self._language

    @property
    def _emotion(self) -> str | None:
        return None if self._patient is not None else "neutral"

    def _item(self) -> dict[str, object]:
        return {
            "id": self.item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
