"""multimodal-generation for qwen-audio-3 and fun-asr-flash: `input_audio` in, sentences with times out.

Field reports and the examples of the official Python package (2.0.2, 2026-10): `parameters.format` is required; the
text of a stream is cumulative and may be revised, and comes in batches only for a minute of audio or more; silence is
a 400; the limit is five minutes. Only qwen-audio-3.1 distinguishes speakers, and is billed by tokens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.responses import Response

from compat.emulator import biasing, refusals, sse
from compat.emulator.engine import Sentence
from compat.emulator.media import Sound, Trouble
from compat.emulator.recognition import MediaRefusal, Recognition, sync_sound
from compat.emulator.refusals import Refusal
from compat.emulator.surface import ApiCall
from compat.emulator.text import PUNCTUATION, joined_text, text_tokens, timed_words
from compat.emulator.usage import counted

BATCHED_FROM = 60.0  # seconds of sound


class NativeInputAudio(msgspec.Struct, frozen=True):
    data: str


class AudioPart(msgspec.Struct, frozen=True):
    type: str | None = None
    text: str | None = None
    input_audio: NativeInputAudio | None = None


class AudioMessage(msgspec.Struct, frozen=True):
    role: str
    content: list[AudioPart] | str = ""


class AudioRequestInput(msgspec.Struct, frozen=True):
    messages: list[AudioMessage]


class AudioParameters(msgspec.Struct, frozen=True):
    format: str = ""
    speaker_diarization_enabled: bool = False


class AudioRequest(msgspec.Struct, frozen=True):
    model: str
    input: AudioRequestInput
    parameters: AudioParameters = AudioParameters()


async def generate(call: ApiCall) -> Response:
    ask = call.decode(AudioRequest)
    biasing.check(call.body, ask.model)
    if any(message.role == "system" for message in ask.input.messages):
        raise refusals.invalid("The role system is not supported by this model")
    if not ask.parameters.format:
        raise refusals.invalid("UNSUPPORTED_FORMAT: format is empty")
    answer = _AudioGeneration(call, ask, await _sound(call, ask))
    return await sse.answered(answer, answer.sound, stream=call.streams)


async def _sound(call: ApiCall, ask: AudioRequest) -> Sound:
    limits = call.emulator.limits
    cap = limits.audio3_bytes if ask.model.startswith("qwen-audio-3.1") else limits.sync_bytes
    try:
        return await sync_sound(call, ask.model, _audio(ask), max_bytes=cap)
    except MediaRefusal as exc:
        if exc.trouble is Trouble.TOO_LONG:
            raise Refusal(400, "AUDIO_DURATION_TOO_LONG", "The audio is too long for this model.") from exc
        raise


def _audio(ask: AudioRequest) -> str:
    parts = [part for message in ask.input.messages if message.role == "user" for part in message.content]
    found = [part.input_audio.data for part in parts if isinstance(part, AudioPart) and part.input_audio is not None]
    if len(found) != 1:
        raise refusals.invalid("Exactly one input_audio is expected")
    return found[0]


class _AudioGeneration:
    """One recognition, whole or in cumulative batches."""

    def __init__(self, call: ApiCall, ask: AudioRequest, sound: Sound) -> None:
        self.sound = sound
        self._call = call
        self._readings = call.emulator.readings
        self._tokens = ask.model.startswith("qwen-audio-3.1")
        self._speakers = self._tokens and ask.parameters.speaker_diarization_enabled
        self._recognition = Recognition(call.emulator, sound, biasing.hints(call.body))

    async def whole(self) -> dict[str, Any]:
        sentences = [sentence async for sentence in self._recognition.sentences(speakers=self._speakers)]
        if not sentences:
            raise no_words()
        return self._body(sentences)

    def stream(self) -> AsyncIterator[bytes]:
        return sse.native_stream(self._batches(), self._call)

    async def _batches(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the frames. Each sentence of long audio is sent as a draft, then as final; the last frame has all
        sentences."""
        sentences: list[Sentence] = []
        async for sentence in self._recognition.sentences(speakers=self._speakers):
            if self.sound.seconds >= BATCHED_FROM:
                yield self._body([*sentences, draft(sentence)], ended=False)
            sentences.append(sentence)
            if self.sound.seconds >= BATCHED_FROM:
                yield self._body(sentences)
        if not sentences:
            raise no_words()
        yield self._body(sentences)

    def _body(self, sentences: list[Sentence], *, ended: bool = True) -> dict[str, Any]:
        shown = [self._sentence(index, sentence) for index, sentence in enumerate(sentences, 1)]
        shown[-1]["sentence_end"] = ended
        answer: dict[str, Any] = {"text": joined_text(sentences), "sentence": shown[-1], "sentences": shown}
        usage = {
            "usage": counted(
                tokens=self._tokens,
                ms=round(self._recognition.seconds * 1000),
                sentences=1,
                output_tokens=text_tokens(answer["text"]),
            )
        }
        match self._readings.audio3_shape:
            case "output":
                return {"request_id": self._call.id, "output": answer} | usage
            case "nested":
                return {"request_id": self._call.id, "output": {"output": answer}} | usage
            case "top":
                return {"request_id": self._call.id} | answer | usage

    def _sentence(self, number: int, sentence: Sentence) -> dict[str, Any]:
        speaker = {"speaker_id": sentence.speaker or 0} if self._speakers else {}
        return {
            "begin_time": sentence.begin_ms,
            "end_time": sentence.end_ms,
            "text": sentence.text,
            "sentence_id": number,
            "sentence_end": True,
            "channel_id": 0,
            **speaker,
            "words": timed_words(sentence, spaced=True),
        }


def no_words() -> Refusal:
    return Refusal(400, "ASR_RESPONSE_HAVE_NO_WORDS", "ASR_RESPONSE_HAVE_NO_WORDS")


def draft(sentence: Sentence) -> Sentence:
    """Return a first version without capitals and punctuation, which is revised later."""
    return msgspec.structs.replace(sentence, text=sentence.text.lower().rstrip(PUNCTUATION), words=())
