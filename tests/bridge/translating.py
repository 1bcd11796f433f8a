"""A simulated LiveTranslate service, in both of its dialects, and a client that listens to one translation."""

from __future__ import annotations

import base64
import itertools
import json
import re
from dataclasses import dataclass
from typing import Any

from openai.types.realtime import RealtimeTranslationServerEvent
from pydantic import TypeAdapter

from compat.bridge.actions import Hangup, Translate
from compat.bridge.intake import Sound
from compat.bridge.limits import SessionLimits
from compat.openai_api.translations.session import TranslationSession
from tests.bridge.service import RATE, Service, heard
from tests.bridge.simulation import Simulation

FLAT, NESTED = "qwen3.5-livetranslate-flash-realtime", "qwen3.8-livetranslate-flash-realtime"
TEXT_ONLY = "qwen-mt-flash"
VOICE_SAMPLES = 20
_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeTranslationServerEvent)


def voiced(name: str) -> bytes:
    """Return the voice of a word, which codes its number."""
    number = int(re.sub(r"\D", "", name.partition("/")[0]))
    return number.to_bytes(2, "little") * VOICE_SAMPLES


def voice_words(pcm: bytes) -> list[int]:
    """The numbers of the words in a voice."""
    step = 2 * VOICE_SAMPLES
    pieces = [pcm[at : at + step] for at in range(0, len(pcm), step)]
    assert all(piece == piece[:2] * VOICE_SAMPLES for piece in pieces)
    return [int.from_bytes(piece[:2], "little") for piece in pieces]


@dataclass
class TranslateService(Service):
    """One session of LiveTranslate, which translates the word w5 into es5 where the target is Spanish.

    `names`: where the item of the source is named: in the item of the translation, in every part, or nowhere. `source`:
    whether its text is complete before or after the translation. `done`: how often the complete text is sent, and
    whether it contradicts the settled text. `responses`: words of one response. `noise`: turns that begin with a word
    whose number is divisible by 3 have no response; they are transcribed as empty, or not at all. `speech`: it reports
    where speech begins and ends.
    """

    model: str = FLAT
    names: str = "item"
    source: str = "before"
    done: str = "once"
    responses: int = 100
    noise: str = ""
    speech: bool = True
    target: str = ""
    _voice: bool = False
    _transcript: bool = False
    _said: int = 0
    _sourced: int = 0

    def take(self, frame: str | bytes) -> None:
        event = json.loads(frame)
        match event["type"]:
            case "session.update":
                self._configure(event["session"])
            case "input_audio_buffer.append":
                assert len(event["audio"]) <= 4 * 32_000 // 3 + 4
                super().take(frame)
            case _:
                super().take(frame)

    def _configure(self, session: dict[str, Any]) -> None:
        assert not self._pcm, "settings cannot change after audio was sent"
        detection = (session["audio"]["input"] if self._nested else session)["turn_detection"]
        self._silence_bytes = detection["silence_duration_ms"] * RATE // 1000 * 2
        self.target = session["translation"]["language"]
        if self._nested:
            assert session["audio"]["output"]["voice"]
            self._voice, self._transcript = "audio" in session["output_modalities"], True
        else:
            self._voice = "audio" in session["modalities"]
            self._transcript = session["input_audio_transcription"]["model"] is not None
        self._say("session.updated", session=session)

    def _say(self, kind: str, **fields: object) -> None:
        if self.speech or not kind.startswith("input_audio_buffer."):
            super()._say(kind, **fields)

    @property
    def _nested(self) -> bool:
        return self.model == NESTED

    def _noisy(self, words: list[str]) -> bool:
        return bool(self.noise and words) and int(words[0][1:].partition("/")[0]) % 3 == 0

    def _open(self, at_ms: int) -> None:
        self._said = self._sourced = 0
        super()._open(at_ms)

    def _show(self, words: list[str]) -> None:
        if not self._noisy(words) and self.settles:
            self._grow(self._turn, words[:-1], words[-1])

    def _grow(self, turn: str, words: list[str], stash: str = "", *, sourced: bool = True) -> None:
        """Tell the source and the translation of the turn's settled words."""
        if self._transcript and sourced:
            self._source(turn, words, stash)
        for number in range(self._said, len(words)):
            self._translate(turn, words, number)
        self._said = max(self._said, len(words))
        if stash and not self._nested and words and len(words) % self.responses:
            self._part(turn, words, len(words) - 1, f" {self._word(stash)}")

    def _source(self, turn: str, words: list[str], stash: str) -> None:
        kind = "conversation.item.input_audio_transcription"
        if self._nested:
            new = "".join(
                f" {name}" if number else name for number, name in enumerate(words) if number >= self._sourced
            )
            self._say(f"{kind}.delta", item_id=turn, delta=new)
        else:
            text = " ".join(words)
            self._say(f"{kind}.text", item_id=turn, text=text, stash=f" {stash}" if text and stash else stash)
        self._sourced = max(self._sourced, len(words))

    def _transcribed(self, turn: str, transcript: str) -> None:
        self._say("conversation.item.input_audio_transcription.completed", item_id=turn, transcript=transcript)

    def _word(self, name: str) -> str:
        return self.target + name[1:]

    def _translate(self, turn: str, words: list[str], number: int) -> None:
        if number % self.responses == 0:
            if number:
                self._responded(turn, words[:number], number - 1)
            self._begin_response(turn, number // self.responses)
        self._part(turn, words, number)
        if self._voice:
            self._say("response.audio.delta", **self._at(turn, number), delta=_coded(voiced(words[number])))

    def _begin_response(self, turn: str, number: int) -> None:
        response, item = f"r{turn}.{number}", {"id": f"a{turn}.{number}", "role": "assistant"}
        self._say("response.created", response={"id": response})
        self._say("response.output_item.added", response_id=response, item=item)
        previous = turn if self.names == "item" else None
        self._say("conversation.item.created", previous_item_id=previous, item=item)

    def _at(self, turn: str, number: int) -> dict[str, str]:
        name = f"{turn}.{number // self.responses}"
        named = {"previous_item_id": turn} if self.names == "part" else {}
        return {"response_id": f"r{name}", "item_id": f"a{name}", **named}

    def _part(self, turn: str, words: list[str], number: int, stash: str = "") -> None:
        """The part of the response up to this word."""
        kind = "response.audio_transcript" if self._voice else "response.text"
        begin = number - number % self.responses
        if self._nested:
            new = ("" if number == begin else " ") + self._word(words[number])
            self._say(f"{kind}.delta", **self._at(turn, number), delta=new)
        else:
            text = " ".join(map(self._word, words[begin : number + 1]))
            self._say(f"{kind}.text", **self._at(turn, number), text=text, stash=stash)

    def _responded(self, turn: str, words: list[str], number: int) -> None:
        """The end of the response with this word."""
        text = " ".join(map(self._word, words[number - number % self.responses :]))
        text = text.upper() if self.done == "contradicted" else text
        kind, field = ("response.audio_transcript", "transcript") if self._voice else ("response.text", "text")
        for _ in range(2 if self.done == "twice" else 1):
            self._say(f"{kind}.done", **self._at(turn, number), **{field: text})
        usage = {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}
        response = {"id": self._at(turn, number)["response_id"], "status": "completed", "usage": usage}
        self._say("response.done", response=response)

    def _complete(self, transcript: str) -> None:
        """Responses end in a different order: each is held back for `late` turns, but for its beginning."""
        words = transcript.split()
        if self._noisy(words):
            if self.noise == "empty" and self._transcript:
                self._transcribed(self._turn, "")
            return
        self._grow(self._turn, words if not self.late else words[: max(1, self._said)])
        self._late.append((f"{self._turn} {self._said}", transcript))
        while len(self._late) > self.late:
            self._completed(*(self._late.pop() if self.late else self._late.popleft()))

    def _completed(self, turn: str, transcript: str) -> None:
        turn, _, said = turn.partition(" ")
        words, now = transcript.split(), (self._said, self._sourced)
        self._said = self._sourced = int(said)
        if self.source == "before" and self._transcript:
            self._transcribed(turn, transcript)
        self._grow(turn, words, sourced=False)
        self._responded(turn, words, len(words) - 1)
        if self.source == "after" and self._transcript:
            self._transcribed(turn, transcript)
        self._said, self._sourced = now


def _coded(pcm: bytes) -> str:
    return base64.b64encode(pcm).decode()


class Listening(Simulation):
    """A session that translates, and what its client has received."""

    def __init__(
        self,
        service: Service,
        model: str = FLAT,
        slow: tuple[float, float] = (0.0, 0.0),
        **session: Any,  # noqa: ANN401 - its fields
    ) -> None:
        limits = SessionLimits(attempts=100_000, first_delay=0.0)
        translation = TranslationSession(model=model, native=model, **session)
        super().__init__(limits, service=service, translation=translation, slow=slow)

    def append(self, pcm: bytes) -> None:
        self.perform(self.bridge.from_client(Sound(pcm), self.now))

    def deliver(self) -> bool:
        if self.sentences:
            self.translate(self.sentences.pop(0))
        return super().deliver()

    def translate(self, asked: Translate) -> None:
        """Qwen-MT answers."""
        text = re.sub(r"\bw(?=\d)", asked.target, asked.text)
        self.perform(self.bridge.translated(asked.ticket, text, self.now))

    def close(self) -> None:
        self.say("session.close")

    def settle(self) -> None:
        super().settle()
        while self.sentences:
            self.translate(self.sentences.pop(0))
        super().settle()

    @property
    def text(self) -> str:
        return "".join(frame["delta"] for frame in self.of("output_transcript.delta"))

    @property
    def source(self) -> str:
        return "".join(frame["delta"] for frame in self.of("input_transcript.delta"))

    @property
    def voice(self) -> list[int]:
        return voice_words(b"".join(base64.b64decode(frame["delta"]) for frame in self.of("output_audio.delta")))

    @property
    def numbers(self) -> list[str]:
        """The words of the translation, without their language."""
        return [re.sub(r"^\D+", "", name) for name in self.text.split()]

    @property
    def languages(self) -> list[str]:
        """The languages of the words, in order, without repetition."""
        return [key for key, _ in itertools.groupby(re.sub(r"\d.*", "", name).lower() for name in self.text.split())]

    def check(self) -> None:
        """Check what holds for the client after any sequence of events."""
        kinds = [frame["type"] for frame in self.frames]
        assert kinds[0] == "session.created"
        assert kinds.count("session.created") == 1
        ends = [number for number, kind in enumerate(kinds, 1) if kind == "session.closed"]
        assert ends == ([len(kinds)] if isinstance(self.hangup, Hangup) else [])
        assert len({frame["event_id"] for frame in self.frames}) == len(self.frames)
        for frame in self.frames:
            _EVENT.validate_python(frame, strict=True)
        for text in (self.text, self.source):
            assert text == " ".join(text.split())


def spoken_numbers(pcm: bytes) -> list[str]:
    """The numbers of the words in some speech; a word that is cut is followed by its length."""
    return [name[1:] for name in heard(pcm)]
