"""The response of one turn: a translation that grows while the speaker still speaks, as text or as text and audio.

Documented order: response.created, output_item.added, item created, content_part.added, text and audio …, their done
events, content_part.done, output_item.done, response.done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from compat.emulator.engine import Engine, EngineTrouble, Hypothesis
from compat.emulator.live_settings import TranslationReadings
from compat.emulator.livetranslate import languages, voice
from compat.emulator.livetranslate.configuration import OUTPUT_RATE, TranslationConfiguration
from compat.emulator.livetranslate.messages import (
    AudioDelta,
    AudioDone,
    OutputItemAdded,
    OutputItemDone,
    PartAdded,
    PartDone,
    ResponseCreated,
    ResponseDone,
    TextDelta,
    TextDone,
    TextSnapshot,
    TranscriptDelta,
    TranscriptDone,
    TranscriptSnapshot,
)
from compat.emulator.livetranslate.words import Settled, Translator
from compat.emulator.realtime.messages import ItemCreated, ServerEvent
from compat.emulator.text import TOKEN, separator, text_tokens
from compat.emulator.usage import TOKENS_PER_SECOND

_OUTPUT_BYTES: Final = OUTPUT_RATE * 2  # a second


class Response:
    """`new_id` returns a new identifier of a kind. `source_item` is the item that is translated."""

    def __init__(
        self,
        engine: Engine,
        configuration: TranslationConfiguration,
        source_item: str,
        readings: TranslationReadings,
        new_id: Callable[[str], str],
    ) -> None:
        self._engine = engine
        self._configuration = configuration
        self._source_item = source_item
        self._readings = readings
        self._new_id = new_id
        self._id = ""
        self._item = ""
        self._settled = Settled()
        self._translator = Translator(configuration.target, configuration.phrases)
        self._text = ""
        self._stash = ""
        self._audio = 0  # bytes

    @property
    def begun(self) -> bool:
        return bool(self._id)

    def heard(self, source: Hypothesis) -> Iterator[ServerEvent]:
        """Yield the events for newly settled words of the source. The first word begins the response."""
        words = self._settled.new_words(source.text)
        delta = self._translated(words)
        if words and not self.begun:
            yield from self._begin()
            delta = self._translator.mark(words[0]) + delta
        tentative = self._translated(TOKEN.findall(source.stash))
        stash = separator(self._text + delta, tentative) + tentative
        if not self.begun or (not words and stash == self._stash):
            return
        self._text += delta
        self._stash = stash
        if self._nested:
            if delta:
                yield (TranscriptDelta if self._spoken else TextDelta)(**self._at(), delta=delta)
        else:
            kind = TranscriptSnapshot if self._spoken else TextSnapshot
            yield kind(**self._at(), text=self._text, stash=self._stash)
        for word in words if self._spoken else ():
            yield from self._voice_events(word)

    def end(self, heard_ms: int) -> Iterator[ServerEvent]:
        """Yield the end of a response that has begun. `heard_ms`: the length of the source."""
        text = self._text.upper() if self._readings.done == "contradicted" else self._text
        done = TranscriptDone(**self._at(), transcript=text) if self._spoken else TextDone(**self._at(), text=text)
        yield done
        if self._readings.done == "twice":
            yield msgspec.structs.replace(done, event_id=self._new_id("event"))
        if self._spoken:
            yield AudioDone(**self._at())
        part = {"type": "audio", "transcript": text} if self._spoken else {"type": "text", "text": text}
        item = self._output("completed", [part])
        yield PartDone(**self._at(), part=part)
        yield OutputItemDone(event_id=self._new_id("event"), response_id=self._id, item=item)
        response = self._response("completed", [item]) | {"usage": self._usage(heard_ms)}
        yield ResponseDone(event_id=self._new_id("event"), response=response)

    def failed(self, trouble: EngineTrouble) -> Iterator[ServerEvent]:
        """Yield the end of a response without a result."""
        if not self.begun:
            yield from self._begin()
        error = {"type": "server_error", "code": trouble.code, "message": trouble.message}
        response = self._response("failed", []) | {"status_details": {"type": "failed", "error": error}}
        yield ResponseDone(event_id=self._new_id("event"), response=response)

    @property
    def _nested(self) -> bool:
        return languages.is_nested(self._configuration.model)

    @property
    def _spoken(self) -> bool:
        return self._configuration.spoken

    def _translated(self, words: list[str]) -> str:
        return "".join(map(self._translator.word, words))

    def _voice_events(self, word: str) -> Iterator[AudioDelta]:
        audio = voice.spoken(self._engine, self._translator.word(word))
        self._audio += len(audio)
        if audio:
            yield AudioDelta(**self._at(), delta=audio)

    def _begin(self) -> Iterator[ServerEvent]:
        self._id, self._item = self._new_id("resp"), self._new_id("item")
        yield ResponseCreated(event_id=self._new_id("event"), response=self._response("in_progress", []))
        item = self._output("in_progress", [])
        yield OutputItemAdded(event_id=self._new_id("event"), response_id=self._id, item=item)
        previous = self._source_item if self._readings.previous_item else None
        yield ItemCreated(event_id=self._new_id("event"), previous_item_id=previous, item=item)
        part = {"type": "audio", "transcript": ""} if self._spoken else {"type": "text", "text": ""}
        yield PartAdded(**self._at(), part=part)

    def _at(self) -> dict[str, Any]:
        return {"event_id": self._new_id("event"), "response_id": self._id, "item_id": self._item}

    def _response(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        configuration = self._configuration
        return {
            "id": self._id,
            "object": "realtime.response",
            "conversation_id": "",
            "status": status,
            "modalities": configuration.modalities,
            "voice": configuration.voice,
            "output_audio_format": configuration.output_type,
            "output": output,
        }

    def _output(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._item,
            "object": "realtime.item",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def _usage(self, heard_ms: int) -> dict[str, Any]:
        """Return the usage. Audio counts 12.5 tokens per second in both directions."""
        input_tokens = math.ceil(TOKENS_PER_SECOND * heard_ms / 1000)
        audio_tokens = math.ceil(TOKENS_PER_SECOND * self._audio / _OUTPUT_BYTES)
        text = text_tokens(self._text)
        return {
            "total_tokens": input_tokens + audio_tokens + text,
            "input_tokens": input_tokens,
            "output_tokens": audio_tokens + text,
            "input_tokens_details": {"audio_tokens": input_tokens, "text_tokens": 0},
            "output_tokens_details": {"audio_tokens": audio_tokens, "text_tokens": text},
        }
