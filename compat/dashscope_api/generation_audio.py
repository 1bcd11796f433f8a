"""Surface `generation-audio`, for `fun-asr-flash-*` and `qwen-audio-3.*-asr-flash`: up to 5 minutes, with timestamps.

It shares the URL of `generation`, but takes `input_audio` and requires the format. The response has `text`, `sentence`
and `sentences` instead of choices: at the top level on workspace hosts, in `output` (or `output.output`) on shared
hosts. Streamed events hold the whole text so far and may revise it; they are sent only for audio of a minute or longer.
Silence is reported as a 400 with the code `ASR_RESPONSE_HAVE_NO_WORDS`. (Measured by third parties; dashscope 2.0.2;
Model Studio "Fun-ASR-Flash", 2026.)
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
from compat.dashscope_api.inline import context_messages, data_uri, inline_call
from compat.dashscope_api.results import Sentence, prevailing
from compat.dashscope_api.sse import Events, ServerSentEvent
from compat.errors import ServiceFailed
from compat.text import joined
from compat.transcript import Request, Transcript, Usage

_SENTENCE = re.compile(r".*(?:[。！？；…]|[.!?](?=\s))", re.DOTALL)
_TOKEN = re.compile(r"\s*[\u3040-\u30ff\u3400-\u9fff]|\s*[^\s\u3040-\u30ff\u3400-\u9fff]+|\s+")


@dataclass
class Settling:
    """Turns snapshots, which the service may revise, into deltas, which are final.

    Text is emitted up to the end of a sentence once two consecutive snapshots agree on it: as a rule, the service only
    revises the sentence in progress. The last snapshot supplies the rest. If it contradicts text already emitted, that
    text stays, and only what follows the last word in common is added.
    """

    _emitted: str = ""
    _latest: str = ""

    @property
    def text(self) -> str:
        """The text emitted so far."""
        return self._emitted

    def feed(self, snapshot: str) -> list[str]:
        agreed = _SENTENCE.match(_common_prefix(self._latest, snapshot))
        self._latest = snapshot
        return self._emit(agreed[0]) if agreed and agreed[0].startswith(self._emitted) else []

    def flush(self) -> list[str]:
        """Return the rest of the text, taking the latest snapshot as the last one."""
        if self._latest.startswith(self._emitted):
            return self._emit(self._latest)
        return self._emit(self._emitted + _continuation(self._emitted, self._latest))

    def _emit(self, text: str) -> list[str]:
        delta, self._emitted = text[len(self._emitted) :], text
        return [delta] if delta else []


def _common_prefix(one: str, other: str) -> str:
    """Return the longest common prefix."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(letter for letter, _ in same)


def _continuation(emitted: str, final: str) -> str:
    """Return the part of `final` to add to `emitted` when the two contradict each other.

    The words of `emitted` after the last word in common count as revisions of as many words of `final`, which are
    skipped.
    """
    before, after = _TOKEN.findall(emitted), _TOKEN.findall(final)
    *_, (a, b, size), _ = [(0, 0, 0), *SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()]
    return "".join(after[b + size + len(before) - a - size :])


class RecognitionOutput(msgspec.Struct, frozen=True):
    """Recognised text. `sentence` is the latest sentence, `sentences` are all of them."""

    text: str | None = None
    sentence: Sentence | None = None
    sentences: list[Sentence] | None = None
    output: RecognitionOutput | None = None


class AudioUsage(msgspec.Struct, frozen=True):
    """Billed usage: `duration` in seconds, or tokens for qwen-audio-3.1."""

    duration: float | None = None
    seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class Recognition(Answer, frozen=True, kw_only=True):
    text: str | None = None
    sentence: Sentence | None = None
    sentences: list[Sentence] | None = None
    output: RecognitionOutput | None = None
    usage: AudioUsage | None = None

    @property
    def content(self) -> RecognitionOutput | None:
        """The level with the text, or None if there is none, as for silence."""
        return next((level for level in self._levels() if level.text is not None or level.sentences), None)

    def _levels(self) -> Iterator[RecognitionOutput]:
        level: RecognitionOutput | None = RecognitionOutput(self.text, self.sentence, self.sentences, self.output)
        while level is not None:
            single = level.sentence if not level.sentences else None
            yield level if single is None else RecognitionOutput(level.text, None, [single])
            level = level.output


def call(request: Request, *, stream: bool) -> Call:
    """Return the HTTP request for a transcription."""
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
        "input": {"messages": [*context_messages(request.context), {"role": "user", "content": [audio]}]},
    }
    headers = STREAMED if stream else None
    return inline_call(URL, body, request.media, headers, rate=request.model, bound=request.bound)


def transcript(request: Request, reply: Reply) -> Transcript:
    """Return the transcript in a response; its text is empty for silence. Raises the error in the response, if any."""
    recognition = read(Recognition, reply)
    return _transcript(request, recognition, _text(recognition), reply.headers.get("x-request-id"))


@dataclass
class SnapshotStream:
    """Decoder for a streamed response: bytes in, text deltas out.

    After `flush`, `transcript` returns the transcript. `feed` and `flush` raise the error in the response, if any. The
    text of the transcript is the concatenation of the deltas. It differs from the last snapshot only if that
    revises a finished sentence (see `Settling`). The segments are always those of the last snapshot.
    """

    request: Request
    _events: Events = field(default_factory=Events)
    _settling: Settling = field(default_factory=Settling)
    _last: Recognition | None = None

    def feed(self, chunk: bytes) -> list[str]:
        return [delta for event in self._events.feed(chunk) for delta in self._event(event)]

    def flush(self) -> list[str]:
        """Return the rest of the text. Raises ServiceFailed if the stream ended without a single event."""
        deltas = [delta for event in self._events.flush() for delta in self._event(event)]
        if self._last is None:
            raise ServiceFailed("DashScope's response ended early.")
        return deltas + self._settling.flush()

    def transcript(self) -> Transcript:
        return _transcript(self.request, self._last or Recognition(), self._settling.text, None)

    def _event(self, event: ServerSentEvent) -> list[str]:
        recognition = checked(decode(Recognition, event.data))
        if event.name == "error" and not no_speech(recognition.code):
            raise task_fault(recognition.code, recognition.message or recognition.msg, recognition.request_id)
        self._last = recognition
        return self._settling.feed(_text(recognition))


def stream(request: Request) -> SnapshotStream:
    """Return a decoder for the streamed response."""
    return SnapshotStream(request)


def _text(recognition: Recognition) -> str:
    """Return the whole text so far. Raises ServiceFailed if there is none and the code does not say "no speech"."""
    content = recognition.content
    if content is None:
        if no_speech(recognition.code):
            return ""
        raise ServiceFailed("DashScope's response has no text.")
    if content.text is not None:
        return content.text
    return joined(sentence.segment().text for sentence in content.sentences or ())


def _transcript(request: Request, recognition: Recognition, text: str, request_id: str | None) -> Transcript:
    content = recognition.content or RecognitionOutput()
    segments = tuple(sentence.segment() for sentence in content.sentences or () if sentence.text != "")
    if len(segments) == 1 and not segments[0].text:  # a sentence without text or words covers the whole text
        segments = (msgspec.structs.replace(segments[0], text=text),)
    counts = recognition.usage or AudioUsage()
    return Transcript(
        text=text,
        segments=segments,
        language=prevailing(segments, "language") or request.language,
        emotion=prevailing(segments, "emotion"),
        duration=request.media.duration,
        usage=Usage(
            seconds=counts.seconds if counts.duration is None else counts.duration,
            audio_tokens=counts.input_tokens,
            text_tokens=None if counts.input_tokens is None else 0,  # context is counted with the audio
            output_tokens=counts.output_tokens,
        ),
        model=request.model,
        surface=request.surface,
        request_id=recognition.request_id or request_id,
    )
