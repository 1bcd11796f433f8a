"""A simulated service of the realtime protocol.

Audio encodes its own words: word n is 160 ms of samples with the value n, and silence is zeros. The simulated service
therefore recognises exactly what it received, and a word that was cut, doubled or joined wrongly is visible.
"""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from dataclasses import dataclass, field, replace

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
    audio of all detected turns. It reports the language that it was asked for as the emotion too.
    """

    model: str = "qwen3-asr-flash-realtime"

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

    def again(self, number: int) -> Service:
        """Return a service like this one for a new connection."""
        service = replace(self, number=number, lines=deque(), _pcm=bytearray(), _late=deque())
        service.begin()
        return service

    def begin(self) -> None:
        """The connection is open."""
        self._say("session.created", session={})

    def delivered(self, line: str) -> None:
        """The bridge got this frame."""

    def wait(self, seconds: float) -> None:
        """Time passes without a frame."""

    def take(self, frame: str | bytes) -> None:
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
                self._open(self._ms(self._begin) + self.tardy_ms)
            end = self._end(self._begin)
            self._snapshot(self._begin, len(self._pcm) if end is None else end)
            if end is None:
                return
            self._close(self._begin, end)

    def _open(self, at_ms: int) -> None:
        self._say("input_audio_buffer.speech_started", item_id=self._turn, audio_start_ms=at_ms)

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
        self._show(words)

    def _show(self, words: list[str]) -> None:
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
            emotion=self.language,
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
