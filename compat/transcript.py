"""What is asked and what is answered, in nobody's dialect: the ground both coasts stand on.

Times are seconds from the start of the audio, as floats; languages are DashScope's codes (`zh`, `yue`, `fil`, …).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

ResponseFormat = Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]
Granularity = Literal["word", "segment"]
CaptionFormat = Literal["srt", "vtt"]
Surface = Literal["chat", "generation", "generation-audio", "filetrans", "transcription", "filetrans-3", "pieces"]
Option: TypeAlias = bool | int | float | str | list[int | str] | dict[str, Any]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request for a transcript, validated.

    `model` is the name the caller used. `context` joins prompt and keywords for the service, and `guides` are those of
    the two that were sent. `extensions` are the fields that OpenAI does not know, as they came, each with all its
    values: DashScope's own names (`enable_itn`, `vocabulary_id`, …) are made sense of when the model is chosen, the
    others end up in `ignored`. `ignored` names the parameters that cannot be honoured whatever the road; the road adds
    its own. `background`: whether the caller comes back for the answer, or has `webhook_url` called when it is there.
    `target` is the code of the language to translate to, None for a transcription. `url`: where the audio lies, when it
    is not sent along. `captions`: what a JSON answer with segments holds besides. `engine`: what answers in DashScope's
    place.
    """

    model: str
    response_format: ResponseFormat = "json"
    granularities: frozenset[Granularity] = frozenset()
    stream: bool = False
    language: str | None = None
    context: str = ""
    guides: tuple[str, ...] = ()
    extensions: dict[str, tuple[str, ...]] = {}
    ignored: tuple[str, ...] = ()
    background: bool = False
    webhook_url: str | None = None
    target: str | None = None
    url: str | None = None
    captions: tuple[CaptionFormat, ...] = ()
    engine: str = ""

    def answered_by(self, engine: str) -> Ask:
        """The same for an engine on this machine, which hears English alone and takes no context."""
        foreign = self.language not in (None, "en")
        lost = (*(["language"] if foreign else []), *(self.guides if self.context else ()))
        language = None if foreign else self.language
        ignored = (*self.ignored, *lost)
        return msgspec.structs.replace(self, engine=engine, language=language, context="", ignored=ignored)

    @property
    def wants_words(self) -> bool:
        """Whether single words with times are needed: asked for, or to cut captions at. Translated words have none."""
        captioned = bool(self.captions) or self.response_format in ("srt", "vtt")
        return self.target is None and ("word" in self.granularities or captioned)

    @property
    def wants_times(self) -> bool:
        return self.response_format in ("srt", "vtt", "verbose_json", "diarized_json")

    @property
    def wants_speakers(self) -> bool:
        return self.response_format == "diarized_json"


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """A sound file on this machine's disk, as its own bytes describe it.

    Where the caller has given an address instead, the service fetches it from `url`; there is nothing at `path`, and
    nothing is known of it.
    `size` in bytes, `duration` in seconds, `rate` in Hz. `mime` and `suffix` (with the dot) follow the container found
    in the bytes, never the caller's file name. `promised` is the length that the file's header states, where clearly
    less of it can be decoded.

    `clean`: the service may be sent the file as it is. Every size that the file states is true; it begins with its
    container and ends with it, but for ID3v2 in front and ID3v1 behind of MP3 and ADTS; it holds one link of one sound
    track, no film, at 8 to 192 kHz on one or two channels; WAV holds plain samples of up to 32 bits; and decoding,
    where that was tried, met no damage. Anything else is re-encoded before it is sent.
    """

    path: Path
    size: int
    container: str
    mime: str
    suffix: str
    duration: float
    rate: int
    channels: int
    url: str | None = None
    promised: float | None = None
    clean: bool = True


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What one of DashScope's surfaces is asked, once the road is chosen.

    `model` is DashScope's id, `language` the code that this model knows. `words`: whether times of single words are
    needed. `options` go into the model's own parameters as they are.
    """

    model: str
    surface: Surface
    media: Media
    language: str | None = None
    context: str = ""
    words: bool = False
    options: dict[str, Option] = {}


class Word(msgspec.Struct, frozen=True):
    """One word with the punctuation and the space that belong to it, as it stands in the text. `confidence` from 0
    to 1, where the service tells it."""

    text: str
    start: float
    end: float
    confidence: float | None = None


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    start: float
    end: float
    words: tuple[Word, ...] = ()
    language: str | None = None
    emotion: str | None = None
    speaker: str | None = None
    channel: int | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` is what the service bills; the token counts are None where the service gave none."""

    seconds: float | None = None
    audio_tokens: int | None = None
    text_tokens: int | None = None
    output_tokens: int | None = None


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """What was said. `model` is DashScope's id, `surface` the protocol it was reached by, `duration` the audio's.
    `promised` is the length that the audio's header states, where clearly less of it could be decoded."""

    text: str
    segments: tuple[Segment, ...] = ()
    language: str | None = None
    emotion: str | None = None
    duration: float = 0.0
    promised: float | None = None
    usage: Usage = Usage()
    model: str = ""
    surface: str = ""
    request_id: str | None = None
    task_id: str | None = None
