"""A simulation of the bridge's environment: a client, a network that breaks on demand, and a correct service.

Audio encodes its own words: word n is 160 ms of samples with the value n, and silence is zeros. The simulated service
therefore recognises exactly what it received, and a word that was cut, doubled or joined wrongly is visible.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from compat.bridge import Bridge
from compat.bridge.actions import (
    Action,
    CheckVocabulary,
    CloseUpstream,
    Hangup,
    OpenUpstream,
    Reading,
    ToClient,
    ToUpstream,
    Wake,
)
from compat.bridge.limits import SessionLimits
from compat.errors import ServiceUnavailable
from compat.openai_api.realtime.opening import Opening
from tests.bridge.stage import counting, resolve

RATE = 16_000
_LOUD, _QUIET = re.compile(rb"(?:\0{0,3}[^\0])*+"), re.compile(rb"\0*+")
WORD_MS = 160


def word(number: int) -> bytes:
    return number.to_bytes(2, "little") * (WORD_MS * RATE // 1000)


def silence(ms: int) -> bytes:
    return bytes(2 * (ms * RATE // 1000))


def heard(pcm: bytes) -> list[str]:
    """Return the words in some audio. A word of the wrong length is followed by its length in bytes."""
    words, at = [], 0
    while at < len(pcm):
        if pcm[at : at + 2] == b"\0\0":
            at += _run(pcm, at) & ~1
            continue
        number = int.from_bytes(pcm[at : at + 2], "little")
        run = len(word(number))
        if pcm[at : at + run + 2] in (word(number) + b"\0\0", word(number)):
            words.append(f"w{number}")
        else:
            run = _run(pcm, at)
            words.append(f"w{number}/{run}")
        at += run
    return words


def _run(pcm: bytes, at: int) -> int:
    """Return the number of bytes from `at` on that repeat one sample; in silence, possibly half a sample too."""
    sample = b"\0" if pcm[at : at + 2] == b"\0\0" else pcm[at : at + 2]
    found = re.compile(b"(?:" + re.escape(sample) + b")*").match(pcm, at)
    return len(found[0]) if found else 0


@dataclass
class Service:
    """One session of the service, as documented. `lines` are the frames that it will send.

    `settles`: whether `text` grows during a turn, or stays empty until its end. `answers_silence`: the response to a
    commit of silence: none, an empty transcript, or an error. `window`: number of samples that the voice activity
    detector examines at once. `tardy_ms`: how much later than true the reported starts of turns are. `recognised`: the
    audio of all detected turns.
    """

    number: int = 0
    settles: bool = True
    answers_silence: str = "never"
    late: int = 0
    tardy_ms: int = 0
    window: int = 1
    recognised: list[bytes] = field(default_factory=list)
    language: str = ""
    lines: deque[str] = field(default_factory=deque)
    over: bool = False
    _pcm: bytearray = field(default_factory=bytearray)
    _silence_bytes: int | None = None
    _turns: int = 0
    _begin: int | None = None
    _looked: int = 0
    _told: int = 0
    _searched: int = 0
    _late: deque[tuple[str, str]] = field(default_factory=deque)

    def take(self, frame: str) -> None:
        event = json.loads(frame)
        match event["type"]:
            case "session.update":
                self.language = event["session"]["input_audio_transcription"].get("language", "")
                detection = event["session"]["turn_detection"]
                self._silence_bytes = detection and detection["silence_duration_ms"] * RATE // 1000 * 2
                self._say("session.updated", session=event["session"])
            case "input_audio_buffer.append":
                self._pcm += base64.b64decode(event["audio"])
                self._listen()
            case "input_audio_buffer.commit":
                self._commit(event["event_id"])
            case "session.finish":
                self._finish()
            case kind:
                raise AssertionError(kind)

    def _say(self, kind: str, **fields: object) -> None:
        self.lines.append(json.dumps({"type": kind, **fields}))

    @property
    def _turn(self) -> str:
        return f"s{self.number}t{self._turns}"

    def _listen(self) -> None:
        """Detect turns: from the first loud sample until the silence after the last one is long enough."""
        if self._silence_bytes is None:
            return
        while True:
            if self._begin is None:
                rest = bytes(self._pcm[self._looked :])
                quiet = len(rest) - len(rest.lstrip(b"\0"))
                if quiet == len(rest):
                    self._looked += quiet & ~1
                    return
                self._begin = (self._looked + quiet) // (2 * self.window) * 2 * self.window
                self._turns += 1
                self._told = 0
                self._say(
                    "input_audio_buffer.speech_started",
                    item_id=self._turn,
                    audio_start_ms=self._ms(self._begin) + self.tardy_ms,
                )
            end = self._end(self._begin)
            self._snapshot(self._begin, len(self._pcm) if end is None else end)
            if end is None:
                return
            self._close(self._begin, end)

    def _end(self, begin: int) -> int | None:
        """Return the offset at which the turn ends, or None if it has not ended."""
        assert self._silence_bytes is not None
        at = max(begin, self._searched)
        while True:
            self._searched = at = _LOUD.match(self._pcm, at).end()  # type: ignore[union-attr] # it always matches
            run = _QUIET.match(self._pcm, at).end() - at  # type: ignore[union-attr] # it always matches
            if run >= self._silence_bytes:
                break
            at += run
            if at == len(self._pcm):
                return None
        end = -(-(at + at % 2 + self._silence_bytes) // (2 * self.window)) * 2 * self.window
        return end if end <= len(self._pcm) else None

    def _snapshot(self, begin: int, end: int) -> None:
        words = heard(bytes(self._pcm[begin : end - end % 2]))
        if len(words) <= self._told:
            return
        self._told = len(words)
        text = " ".join(words[:-1]) if self.settles else ""
        stash = words[-1] if self.settles else " ".join(words)
        self._say(
            "conversation.item.input_audio_transcription.text",
            item_id=self._turn,
            text=text,
            stash=f" {stash}" if text else stash,
        )

    def _close(self, begin: int, end: int) -> None:
        self._say("input_audio_buffer.speech_stopped", item_id=self._turn, audio_end_ms=self._ms(end))
        self._say("input_audio_buffer.committed", item_id=self._turn)
        self.recognised.append(bytes(self._pcm[begin:end]))
        self._complete(" ".join(heard(self.recognised[-1])))
        self._begin, self._looked = None, end

    def _complete(self, transcript: str) -> None:
        """Add a result, and send results in a different order: each is held back for `late` turns."""
        self._late.append((self._turn, transcript))
        while len(self._late) > self.late:
            turn, transcript = self._late.pop() if self.late else self._late.popleft()
            self._completed(turn, transcript)

    def _completed(self, turn: str, transcript: str) -> None:
        self._say(
            "conversation.item.input_audio_transcription.completed",
            item_id=turn,
            transcript=transcript,
            language=self.language,
            emotion="neutral",
        )

    def _commit(self, event_id: str) -> None:
        words = heard(bytes(self._pcm))
        self._pcm.clear()
        if not words and self.answers_silence == "error":
            error = {"type": "invalid_request_error", "code": "invalid_value", "message": "empty", "event_id": event_id}
            self._say("error", error=error)
        if not words and self.answers_silence in ("error", "never"):
            return
        self._turns += 1
        self._say("input_audio_buffer.committed", item_id=self._turn)
        if self.settles:
            for count in range(1, len(words)):
                self._say(
                    "conversation.item.input_audio_transcription.text",
                    item_id=self._turn,
                    text=" ".join(words[:count]),
                    stash=" ...",
                )
        self._complete(" ".join(words))

    def _finish(self) -> None:
        if self._begin is not None:
            self._close(self._begin, len(self._pcm))
        if self._silence_bytes is None and heard(bytes(self._pcm)):
            self._commit("")
        while self._late:
            self._completed(*self._late.popleft())
        self._say("session.finished")
        self.over = True

    def _ms(self, at: int) -> int:
        return at // 2 * 1000 // RATE


class Simulation:
    """A session in which every event happens on request of the test."""

    def __init__(
        self,
        limits: SessionLimits | None = None,
        *,
        manual: bool,
        joined: bool = False,
        padding: int = 0,
        service: Service | None = None,
    ) -> None:
        self.now, self.grace = 1000.0, 0.0
        self.frames: list[dict[str, Any]] = []
        self.service: Service | None = None
        self.dialled = False
        self.alarm: float | None = None
        self.reading = True
        self.hangup: Hangup | None = None
        self.sessions = 0
        self.sent_bytes = self.commits = 0
        self._like = service or Service()
        self.bridge = Bridge(
            Opening(),
            resolve=resolve,
            ids=counting(),
            expires_at=0,
            limits=limits or SessionLimits(attempts=100_000, first_delay=0.0),
        )
        self._do(self.bridge.start(self.now))
        turns = None if manual else {"type": "server_vad", "silence_duration_ms": 500, "prefix_padding_ms": padding}
        form = {"type": "audio/pcm", "rate": RATE}
        session = {"audio": {"input": {"format": form, "turn_detection": turns}}, "dashscope": {"live_deltas": joined}}
        self.say("session.update", session=session)

    def say(self, kind: str, **fields: object) -> None:
        self.commits += kind == "input_audio_buffer.commit"
        self._do(self.bridge.from_client(json.dumps({"type": kind, **fields}), self.now))
        while self.bridge.more:
            self._do(self.bridge.from_client_more(self.now))

    def append(self, pcm: bytes) -> None:
        self.say("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    def stop(self, grace: float) -> None:
        """Shut the server down."""
        self._do(self.bridge.shutdown(self.grace or grace, self.now))

    def connect(self) -> None:
        """Accept the pending connection to the service."""
        if self.dialled:
            self.dialled = False
            self.sessions += 1
            self.service = replace(self._like, number=self.sessions, lines=deque(), _pcm=bytearray(), _late=deque())
            self.service.lines.append(json.dumps({"type": "session.created", "session": {}}))
            self._do(self.bridge.upstream_opened(self.now))

    def deliver(self) -> bool:
        """Deliver the next frame of the service to the bridge; return False if there is none."""
        if self.service is None or not self.service.lines:
            return False
        self._do(self.bridge.from_upstream(self.service.lines.popleft(), self.now))
        return True

    def cut(self) -> None:
        """Break the connection to the service. Frames in transit are lost."""
        if self.service is not None or self.dialled:
            self.service, self.dialled = None, False
            self._do(self.bridge.upstream_lost(ServiceUnavailable("cut"), self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.service is not None and not self.service.lines:
            self._do(self.bridge.upstream_pong(self.now, self.now))
        if self.alarm is not None and self.alarm <= self.now:
            self.alarm = None
            self._do(self.bridge.tick(self.now))
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

    def _do(self, actions: list[Action]) -> None:  # noqa: C901 - one case for each action
        sent = False
        for action in actions:
            match action:
                case ToClient(text):
                    self.frames.append(json.loads(text))
                case ToUpstream(frame):
                    assert self.service is not None
                    assert isinstance(frame, str)
                    self.service.take(frame)
                    sent = True
                case OpenUpstream():
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
                case CheckVocabulary():
                    pass
        if sent and self.service is not None:
            self._do(self.bridge.upstream_drained(self.now))

    # --- the client's view ---

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"].endswith(kind)]

    @property
    def transcripts(self) -> list[str]:
        return [frame["transcript"] for frame in self.of(".completed")]

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
