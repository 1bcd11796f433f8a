"""`/v1/realtime/translations`: says the turns of a session that translates as one stream of text and one of sound.

The client knows no items and appends what comes, so items follow each other in the order in which they began: what
belongs to a later one waits. Nothing is taken back. If the final text of an item contradicts what was said of it, only
the part after that is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import pybase64

from compat.bridge.actions import Action, Play, ToClient, Translate
from compat.bridge.face import Said, SourceDelta, VoiceDelta
from compat.bridge.ordering import Sequencer
from compat.bridge.sentences import Sentences
from compat.catalogue import translators
from compat.dashscope_api.live.turns import Translation
from compat.errors import CompatError, ServiceTimedOut
from compat.openai_api.realtime import server_events as realtime
from compat.openai_api.translations import client_events
from compat.openai_api.translations import server_events as ours
from compat.openai_api.translations.session import TranslationPatch, TranslationSession, apply, view
from compat.text import gap, rest

_SOONER = 1000
"""Milliseconds by which the reported start of a sentence may be before the true one."""
_CHANGES = 64
"""Changes of the settings that are remembered for sentences that are not reported yet."""
_LATE = ServiceTimedOut("A sentence was not translated before the session ended.")


class Interpreter:
    """A `Face`. With a model of LiveTranslate, the text of an item is its translation. Otherwise it is a transcript,
    and each of its sentences is translated by itself. `ids("event")` returns a new identifier of that kind;
    `expires_at` is in seconds since the epoch. `plays`: the voice is heard by `Play`, and not in events."""

    fill = 8.0

    def __init__(
        self, session: TranslationSession, ids: Callable[[str], str], expires_at: int, *, plays: bool = False
    ) -> None:
        self.session = session
        self._before: TranslationSession | None = None
        self._changes = deque[tuple[int, TranslationSession]](maxlen=_CHANGES)
        """When the settings changed, in milliseconds of audio, and what they were before."""
        self._open: set[str] = set()
        self._closed = False
        self._ids = ids
        self._id = ids("sess")
        self._expires_at = expires_at
        self._plays = plays
        self._source = Sequencer[str]()
        self._target = Sequencer[str | bytes]()
        self._said: dict[str, str] = {}
        self._settings: dict[str, TranslationSession] = {}
        self._fault: realtime.Fault | None = None
        self._heard_text, self._spoken_text = _Spacing(), _Spacing()
        self._sentences = None if translators.find(session.native) else Sentences(ids)

    @property
    def translation(self) -> Translation | None:
        if self._sentences is not None:
            return None
        session = self.session
        return Translation(
            target=session.target,
            voice=session.speaks,
            transcript=session.transcription is not None,
            source=session.source,
            phrases=session.phrases,
        )

    @property
    def spoken(self) -> str | None:
        return None if self._sentences is None else self.session.source

    @property
    def busy(self) -> bool:
        return self._sentences is not None and self._target.busy

    decode = staticmethod(client_events.decode)

    def update(self, patch: TranslationPatch, at_ms: int) -> None:
        self.session, self._before = apply(self.session, patch), self.session
        self._changes.append((at_ms, self._before))

    def revert(self) -> bool:
        if self._before is None:
            return False
        if self._changes and self._changes[-1][1] is self._before:
            self._changes.pop()
        self.session, self._before = self._before, None
        return True

    def said(self, event: Said) -> list[Action]:
        match event:
            case realtime.Error(error=fault) if fault == self._fault:
                return []  # the client knows it: the last item failed for the reason that ends the session
            case realtime.SessionCreated() | realtime.SessionUpdated() | realtime.Error():
                return [self._to_client(self._shown(event))]
            case realtime.SpeechStarted(item_id=item, audio_start_ms=start):
                self._begin(item, start)
                return []
            case realtime.Committed(item_id=item):
                self._begin(item)
                return []
            case SourceDelta(item_id=item, new=text, done=done):
                pieces = self._source.add(item, text)
                return list(self._heard(pieces + (self._source.end(item) if done else [])))
            case VoiceDelta(item_id=item, new=pcm):
                return list(self._spoken(self._target.add(item, pcm)))
            case realtime.Delta(item_id=item, delta=text):
                self._said[item] = self._said.get(item, "") + text
                return self._text(item, text)
            case realtime.Completed(item_id=item, transcript=text):
                return [*self._text(item, self._remainder(item, text)), *self._end(item)]
            case realtime.Failed(item_id=item, error=fault):
                self._said.pop(item, None)
                self._fault = fault
                return [self._error(fault), *self._end(item)]
            case _:
                return []

    def translated(self, ticket: str, text: str | CompatError) -> list[Action]:
        actions: list[Action] = []
        if self._closed:
            return actions
        if isinstance(text, CompatError):
            actions.append(self._error(realtime.Fault.of(text)))
        else:
            actions += self._spoken(self._target.add(ticket, text))
        return actions + list(self._spoken(self._target.end(ticket)))

    def closing(self) -> list[Action]:
        """Sentences that are not translated yet are errors."""
        lost, self._closed = self.busy, True
        actions = list(self._spoken(self._target.give_up()))
        if lost:
            actions.append(self._error(realtime.Fault.of(_LATE)))
        return [*actions, self._to_client(ours.TranslationClosed(event_id=self._ids("event")))]

    def _error(self, fault: realtime.Fault) -> Action:
        return self._to_client(realtime.Error(event_id=self._ids("event"), error=fault))

    def _shown(self, event: realtime.SessionCreated | realtime.SessionUpdated | realtime.Error) -> ours.ServerEvent:
        if isinstance(event, realtime.Error):
            return event
        shape = ours.TranslationCreated if isinstance(event, realtime.SessionCreated) else ours.TranslationUpdated
        shown = view(self.session, self._id, self._expires_at)
        return shape(event_id=self._ids("event"), session=shown)

    def _remainder(self, item: str, text: str) -> str:
        return rest(self._said.pop(item, ""), text)

    def _begin(self, item: str, start_ms: int | None = None) -> None:
        """A sentence has the settings at its place in the audio, which may be sent faster than it is recognised."""
        if item in self._open:
            return
        self._open.add(item)
        while self._changes and (start_ms is None or self._changes[0][0] <= start_ms + _SOONER):
            self._changes.popleft()
        self._settings[item] = self._changes[0][1] if self._changes else self.session
        self._source.begin(item)
        if self._sentences is None:
            self._target.begin(item)

    def _text(self, item: str, text: str) -> list[Action]:
        """More of the text of an item: of its translation, or of what is to be translated."""
        if not text:
            return []
        if self._sentences is None:
            return list(self._spoken(self._target.add(item, text)))
        return list(self._heard(self._source.add(item, text)))

    def _end(self, item: str) -> list[Action]:
        self._open.discard(item)
        actions = list(self._heard(self._source.end(item)))
        if self._sentences is None:
            actions += self._spoken(self._target.end(item))
        return actions

    def _heard(self, pieces: list[tuple[str, str | None]]) -> Iterator[Action]:
        """Pieces of the source in order, None at the end of an item."""
        for item, text in pieces:
            if text and self.session.transcription is not None:
                delta = self._heard_text.join(item, text)
                yield self._to_client(ours.InputTranscriptDelta(event_id=self._ids("event"), delta=delta))
            settings = (self._settings.pop if text is None else self._settings.get)(item, self.session)
            if self._sentences is not None:
                for ticket, sentence in self._sentences.add(text):
                    self._target.begin(ticket)
                    yield Translate(
                        ticket, sentence, settings.target, settings.native, settings.phrases, settings.written
                    )

    def _spoken(self, pieces: list[tuple[str, str | bytes | None]]) -> Iterator[Action]:
        """Pieces of the translation in order."""
        for item, piece in pieces:
            if not piece:
                continue
            self._fault = None
            if isinstance(piece, str):
                delta = self._spoken_text.join(item, piece)
                yield self._to_client(ours.OutputTranscriptDelta(event_id=self._ids("event"), delta=delta))
            elif self._plays:
                yield Play(piece)
            else:
                coded = pybase64.b64encode_as_string(piece)
                yield self._to_client(ours.OutputAudioDelta(event_id=self._ids("event"), delta=coded))

    @staticmethod
    def _to_client(event: ours.ServerEvent) -> ToClient:
        return ToClient(ours.encode(event))


class _Spacing:
    """Puts a space between the texts of two items, if their script has one between sentences."""

    def __init__(self) -> None:
        self._item = ""
        self._last = ""

    def join(self, item: str, text: str) -> str:
        separator = "" if item == self._item else gap(self._last, text)
        self._item, self._last = item, text
        return separator + text
