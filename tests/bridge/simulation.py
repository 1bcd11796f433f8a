"""A simulation of the bridge's environment: a client, a network that breaks on demand, and a correct service."""

from __future__ import annotations

import base64
import itertools
import json
import random
from collections import deque
from typing import Any

from compat.bridge import Bridge
from compat.bridge.actions import (
    Action,
    CheckVocabulary,
    CloseUpstream,
    Hangup,
    OpenUpstream,
    Play,
    Reading,
    ToClient,
    ToUpstream,
    Translate,
    Wake,
)
from compat.bridge.interpreter import Interpreter
from compat.bridge.limits import SessionLimits
from compat.errors import ServiceUnavailable
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.session import AudioFormat
from compat.openai_api.translations.session import TranslationSession
from tests.bridge.service import RATE, Service, word
from tests.bridge.stage import counting, resolve


class Simulation:
    """A session in which every event happens on request of the test."""

    def __init__(
        self,
        limits: SessionLimits | None = None,
        *,
        manual: bool = False,
        joined: bool = False,
        padding: int = 0,
        service: Service | None = None,
        others: tuple[Service, ...] = (),
        translation: TranslationSession | None = None,
        slow: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """`others`: the services of further models. `translation`: the session translates. `slow`: the least and most
        seconds by which the service's frames are late."""
        self.now, self.grace = 1000.0, 0.0
        self.frames: list[dict[str, Any]] = []
        self.service: Service | None = None
        self.dialled = False
        self.alarm: float | None = None
        self.reading = True
        self.hangup: Hangup | None = None
        self.sentences: list[Translate] = []
        self.sessions = 0
        self.sent_bytes = self.commits = 0
        self._slow, self._chance = slow, random.Random(0)  # noqa: S311
        self._due: deque[float] = deque()
        self.delivered = ""
        self._like = service or Service()
        self._likes = {each.model: each for each in (self._like, *others)}
        self._model = self._like.model
        ids = counting()
        self.bridge = Bridge(
            Opening(),
            resolve=resolve,
            ids=ids,
            expires_at=0,
            limits=limits or SessionLimits(attempts=100_000, first_delay=0.0),
            preferred=self._like.model,
            face=Interpreter(translation, ids, 0) if translation else None,
            track=AudioFormat(rate=RATE) if translation else None,
        )
        self.perform(self.bridge.start(self.now))
        if translation:
            return
        turns = None if manual else {"type": "server_vad", "silence_duration_ms": 500, "prefix_padding_ms": padding}
        form = {"type": "audio/pcm", "rate": RATE}
        session = {"audio": {"input": {"format": form, "turn_detection": turns}}, "dashscope": {"live_deltas": joined}}
        self.say("session.update", session=session)

    def say(self, kind: str, **fields: object) -> None:
        self.commits += kind == "input_audio_buffer.commit"
        self.perform(self.bridge.from_client(json.dumps({"type": kind, **fields}), self.now))
        while self.bridge.more:
            self.perform(self.bridge.from_client_more(self.now))

    def append(self, pcm: bytes) -> None:
        self.say("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    def stop(self, grace: float) -> None:
        """Shut the server down."""
        self.perform(self.bridge.shutdown(self.grace or grace, self.now))

    def connect(self) -> None:
        """Accept the pending connection to the service."""
        if self.dialled:
            self.dialled = False
            self.sessions += 1
            self.service = self._likes[self._model].again(self.sessions)
            self._due.clear()
            self._said()
            self.perform(self.bridge.upstream_opened(self.now))

    def deliver(self) -> bool:
        """Deliver the next frame of the service to the bridge; return False if there is none."""
        if self.service is None or not self.service.lines or self._due[0] > self.now:
            return False
        self._due.popleft()
        self.delivered = self.service.lines.popleft()
        self.service.delivered(self.delivered)
        self.perform(self.bridge.from_upstream(self.delivered, self.now))
        return True

    def _said(self) -> None:
        """The service has sent frames. They come in order."""
        while self.service is not None and len(self._due) < len(self.service.lines):
            due = self.now + self._chance.uniform(*self._slow)
            self._due.append(max(due, self._due[-1] if self._due else due))

    def cut(self) -> None:
        """Break the connection to the service. Frames in transit are lost."""
        if self.service is not None or self.dialled:
            self.service, self.dialled = None, False
            self.perform(self.bridge.upstream_lost(ServiceUnavailable("cut"), self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.service is not None:
            self.service.wait(seconds)
        if self.service is not None and not self.service.lines:
            self.perform(self.bridge.upstream_pong(self.now, self.now))
        if self.alarm is not None and self.alarm <= self.now:
            self.alarm = None
            self.perform(self.bridge.tick(self.now))
            assert self.alarm is None or self.alarm > self.now, "the bridge asks to be woken in the past"

    def settle(self) -> None:
        """Let everything in progress finish, without further faults."""
        for _ in range(200):
            if self.bridge.over:
                return
            self.connect()
            while self.deliver():
                pass
            self.wait(1.0)
            if self.alarm is None and not self.dialled and not (self.service and self.service.lines):
                return
        raise AssertionError("the session does not settle")

    @property
    def accepted(self) -> int:
        """The number of the client's commits that were not errors."""
        return self.commits - len(self.of("error"))

    def perform(self, actions: list[Action]) -> None:  # noqa: C901 - one case for each action
        sent = False
        for action in actions:
            match action:
                case ToClient(text):
                    self.frames.append(json.loads(text))
                case ToUpstream(frame):
                    assert self.service is not None
                    self.service.take(frame)
                    self._said()
                    sent = True
                case OpenUpstream(model):
                    self._model = model
                    assert self.service is None
                    assert not self.dialled
                    self.dialled = True
                case CloseUpstream():
                    self.service, self.dialled = None, False
                case Reading(on):
                    self.reading = on
                case Wake(at):
                    self.alarm = at if self.alarm is None else min(at, self.alarm)
                case Hangup():
                    self.hangup = action
                case Translate():
                    self.sentences.append(action)
                case CheckVocabulary() | Play():
                    pass
        if sent and self.service is not None:
            self.perform(self.bridge.upstream_drained(self.now))

    # --- the client's view ---

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"].endswith(kind)]

    @property
    def transcripts(self) -> list[str]:
        return [frame["transcript"] for frame in self.of(".completed")]

    @property
    def timed_words(self) -> list[dict[str, Any]]:
        """The words of all transcripts, with their times."""
        return [word for frame in self.of(".completed") for word in frame["dashscope"].get("words", [])]

    @property
    def words(self) -> list[str]:
        return " ".join(self.transcripts).split()

    @property
    def whole_words(self) -> list[str]:
        """The words, with the parts of words that a commit cut joined. A word with missing parts keeps its sizes."""
        whole = []
        for name, parts in itertools.groupby(self.words, key=lambda heard: heard.partition("/")[0]):
            sizes = [int(part.partition("/")[2] or len(word(0))) for part in parts]
            whole.append(name if sum(sizes) == len(word(0)) else f"{name}/{sizes}")
        return whole

    def check(self) -> None:
        """Check what holds for the client after any sequence of events."""
        committed = [frame["item_id"] for frame in self.of(".committed")]
        previous = [frame["previous_item_id"] for frame in self.of(".committed")]
        assert previous == [None, *committed][: len(committed)]
        ended = [frame["item_id"] for frame in self.frames if frame["type"].endswith((".completed", ".failed"))]
        assert ended == committed
        for frame in self.of(".completed"):
            deltas = [delta["delta"] for delta in self.of(".delta") if delta["item_id"] == frame["item_id"]]
            assert "".join(deltas) == frame["transcript"]
        for kind in ("speech_started", "speech_stopped"):
            items = [frame["item_id"] for frame in self.of(kind)]
            assert len(items) == len(set(items))
        spoken = [frame["item_id"] for frame in self.frames if frame["type"].rpartition(".")[2].startswith("speech_")]
        assert spoken[: len(spoken) // 2 * 2 : 2] == spoken[1::2], "a turn begins before the previous one has ended"
        assert len({frame["event_id"] for frame in self.frames}) == len(self.frames)
