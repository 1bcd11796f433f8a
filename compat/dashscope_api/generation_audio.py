"""The native surface's other dialect, for `fun-asr-flash-*` and `qwen-audio-3.*-asr-flash`: up to 5 minutes, timed.

The same address takes `input_audio` and has to be told the format; the answer has `text`, `sentence` and `sentences`
instead of choices: at the top on workspace hosts, in `output` (or `output.output`) on the shared ones. Streamed events
hold all of the text so far and may revise it; they come only for audio of a minute and more. Silence is a 400,
`ASR_RESPONSE_HAVE_NO_WORDS`. (Measured by third parties; dashscope 2.0.2; Model Studio "Fun-ASR-Flash", 2026.)
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

import msgspec

from compat.dashscope_api.calls import Call, Reply
from compat.dashscope_api.faults import Answer, checked, decode, no_speech, read, task_fault
from compat.dashscope_api.generation import STREAMED, URL
from compat.dashscope_api.inline import data_uri, inline_call
from compat.dashscope_api.results import Sentence, prevailing
from compat.dashscope_api.sse import Events, ServerSentEvent
from compat.errors import ServiceFailed
from compat.text import joined
from compat.transcript import Request, Transcript, Usage

_SENTENCE = re.compile(r".*(?:[。！？；…]|[.!?](?=\s))", re.DOTALL)
_TOKEN = re.compile(r"\s*[\u3040-\u30ff\u3400-\u9fff]|\s*[^\s\u3040-\u30ff\u3400-\u9fff]+|\s+")


@dataclass
class Settling:
    """Snapshots that may be revised, turned into text that is never taken back.

    Text leaves when two snapshots in a row agree on it and a sentence ends there: what the service still corrects is
    the sentence in progress. The last snapshot brings the rest. If it contradicts what has left, that stays as it is,
    and only what follows the last word that both have is added.
    """

    _said: str = ""
    _latest: str = ""

    @property
    def text(self) -> str:
        """All that has left."""
        return self._said

    def feed(self, snapshot: str) -> list[str]:
        agreed = _SENTENCE.match(_shared(self._latest, snapshot))
        self._latest = snapshot
        return self._say(agreed[0]) if agreed and agreed[0].startswith(self._said) else []

    def flush(self) -> list[str]:
        """The rest, the latest snapshot being the last."""
        if self._latest.startswith(self._said):
            return self._say(self._latest)
        return self._say(self._said + _continuation(self._said, self._latest))

    def _say(self, text: str) -> list[str]:
        piece, self._said = text[len(self._said) :], text
        return [piece] if piece else []


def _shared(one: str, other: str) -> str:
    """The longest prefix of both."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(letter for letter, _ in same)


def _continuation(said: str, final: str) -> str:
    """What follows in `final` when as many words after the last common one count as revised as there are in `said`."""
    before, after = _TOKEN.findall(said), _TOKEN.findall(final)
    *_, (a, b, size), _ = [(0, 0, 0), *SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()]
    return "".join(after[b + size + len(before) - a - size :])


class Heard(msgspec.Struct, frozen=True):
    """`sentence` is the latest one, `sentences` are all."""

    text: str | None = None
    sentence: Sentence | None = None
    sentences: list[Sentence] | None = None
    output: Heard | None = None


class AudioUsage(msgspec.Struct, frozen=True):
    """`duration` is billed; qwen-audio-3.1 is billed by the token."""

    duration: float | None = None
    seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class Recognition(Answer, frozen=True, kw_only=True):
    text: str | None = None
    sentence: Sentence | None = None
    sentences: list[Sentence] | None = None
    output: Heard | None = None
    usage: AudioUsage | None = None

    @property
    def heard(self) -> Heard | None:
        """The level that holds the words. None where no level does, which is so for silence too."""
        return next((level for level in self._levels() if level.text is not None or level.sentences), None)

    def _levels(self) -> Iterator[Heard]:
        level: Heard | None = Heard(self.text, self.sentence, self.sentences, self.output)
        while level is not None:
            yield level if level.sentences or level.sentence is None else Heard(level.text, None, [level.sentence])
            level = level.output


def call(request: Request, *, stream: bool) -> Call:
    audio = {"type": "input_audio", "input_audio": {"data": data_uri(request.media)}}
    parameters: dict[str, Any] = {
        "format": request.media.container,
        "sample_rate": str(request.media.rate),
        **({"language_hints": [request.language]} if request.language else {}),
        **request.options,
    }
    body = {
        "model": request.model,
        "parameters": parameters,
        "input": {"messages": [{"role": "user", "content": [audio]}]},
    }
    return inline_call(URL, body, request.media, STREAMED if stream else None, rate=request.model)


def transcript(request: Request, reply: Reply) -> Transcript:
    """The transcript of a whole answer: empty where nobody spoke. Raises the error that the answer is."""
    told = read(Recognition, reply)
    return _transcript(request, told, _text(told), reply.headers.get("x-request-id"))


@dataclass
class SnapshotStream:
    """Bytes of a streamed answer in, pieces of text out; then the whole of it. Both raise the error the answer is.

    The transcript's text is what the pieces make, which differs from the service's last word only where that takes
    back a whole sentence (see `settling`). Its segments are always the service's last word.
    """

    request: Request
    _events: Events = field(default_factory=Events)
    _settling: Settling = field(default_factory=Settling)
    _last: Recognition | None = None

    def feed(self, chunk: bytes) -> list[str]:
        return [piece for event in self._events.feed(chunk) for piece in self._event(event)]

    def flush(self) -> list[str]:
        """The rest of the text. Raises ServiceFailed when the answer was cut off before it had begun."""
        said = [piece for event in self._events.flush() for piece in self._event(event)]
        if self._last is None:
            raise ServiceFailed("DashScope's answer was cut off.")
        return said + self._settling.flush()

    def transcript(self) -> Transcript:
        return _transcript(self.request, self._last or Recognition(), self._settling.text, None)

    def _event(self, event: ServerSentEvent) -> list[str]:
        told = checked(decode(Recognition, event.data))
        if event.name == "error" and not no_speech(told.code):
            raise task_fault(told.code, told.message or told.msg, told.request_id)
        self._last = told
        return self._settling.feed(_text(told))


def stream(request: Request) -> SnapshotStream:
    return SnapshotStream(request)


def _text(told: Recognition) -> str:
    """All of the text so far. Raises ServiceFailed for an answer without any that is not silence either."""
    heard = told.heard
    if heard is None:
        if no_speech(told.code):
            return ""
        raise ServiceFailed("DashScope answered without a text.")
    return joined(sentence.segment().text for sentence in heard.sentences or ()) if heard.text is None else heard.text


def _transcript(request: Request, told: Recognition, text: str, request_id: str | None) -> Transcript:
    heard = told.heard or Heard()
    segments = tuple(sentence.segment() for sentence in heard.sentences or () if sentence.text != "")
    if len(segments) == 1 and not segments[0].text:  # a sentence without words leaves its text to the answer's
        segments = (msgspec.structs.replace(segments[0], text=text),)
    counts = told.usage or AudioUsage()
    return Transcript(
        text=text,
        segments=segments,
        language=prevailing(segments, "language") or request.language,
        emotion=prevailing(segments, "emotion"),
        duration=request.media.duration,
        usage=Usage(
            seconds=counts.seconds if counts.duration is None else counts.duration,
            audio_tokens=counts.input_tokens,
            output_tokens=counts.output_tokens,
        ),
        model=request.model,
        surface=request.surface,
        request_id=told.request_id or request_id,
    )
