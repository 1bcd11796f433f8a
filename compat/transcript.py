"""Requests and transcripts in neutral form, independent of OpenAI's and DashScope's formats.

Times are seconds from the start of the audio, as floats. Languages are DashScope's codes (`zh`, `yue`, `fil`, …).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from compat import languages

ResponseFormat = Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]
Granularity = Literal["word", "segment"]
CaptionFormat = Literal["srt", "vtt"]
LanguageParam = Literal["language", "languages"]
Surface = Literal["chat", "generation", "generation-audio", "filetrans", "transcription", "filetrans-3", "pieces"]
Option: TypeAlias = bool | int | float | str | list[int | str] | dict[str, Any]


def context(prompt: str | None, keywords: Iterable[str]) -> str:
    """Return the prompt, followed by the keywords on a line of their own. Blank keywords are left out."""
    return "\n".join(filter(None, (prompt, ", ".join(word for word in keywords if word.strip()))))


class Layout(msgspec.Struct, frozen=True):
    """Limits of a caption, named as on Whisper's command line. `max_line_width` is in columns: a full-width character
    takes two. There are no limits on words by default."""

    max_line_width: int = 42
    max_line_count: int | None = None
    max_words_per_line: int | None = None

    @property
    def lines(self) -> int:
        """The maximum number of lines: 2, but 1 if only the words of a line are limited."""
        return self.max_line_count or (1 if self.max_words_per_line else 2)


LAYOUT = Layout()
LAYOUT_LIMITS = {"max_line_width": 1000, "max_line_count": 10, "max_words_per_line": 1000}
"""The fields of a Layout and their highest values; the lowest is 1."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One validated request for a transcript.

    `model` is the name that the client used. `language_param` is the field that `language` was sent in. `prompt` and
    `keywords` bias the recognition. `extensions` holds the fields that OpenAI does not define, unparsed, each with all
    its values: DashScope's own names (`enable_itn`, `vocabulary_id`, …) are parsed once the model is chosen, the others
    are added to `ignored`. `ignored` names the parameters that no road supports; the chosen road adds its own.

    `background` is true if the client fetches the transcript later or has `webhook_url` called. `target` is the code of
    the language to translate to, None for a transcription. `url` is the address of the audio if the request contains
    none. `captions` lists the caption formats to add to a JSON response with segments, `layout` limits their lines and
    those of srt and vtt. `engine` names the local engine
    that replaces DashScope, empty for none.
    """

    model: str
    response_format: ResponseFormat = "json"
    granularities: frozenset[Granularity] = frozenset()
    stream: bool = False
    language: str | None = None
    language_param: LanguageParam = "language"
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    extensions: dict[str, tuple[str, ...]] = {}
    ignored: tuple[str, ...] = ()
    background: bool = False
    webhook_url: str | None = None
    target: str | None = None
    url: str | None = None
    captions: tuple[CaptionFormat, ...] = ()
    layout: Layout = LAYOUT
    engine: str = ""

    def answered_by(self, engine: str) -> Ask:
        """Return the request for an engine that replaces DashScope. Those on this machine take no context."""
        spoken = languages.ENGINES.get(engine)
        if spoken is None:
            return msgspec.structs.replace(self, engine=engine)
        foreign = self.language is not None and self.language not in spoken
        lost = (*([self.language_param] if foreign else []), *self.guides)
        language = None if foreign else self.language
        ignored = (*self.ignored, *lost)
        return msgspec.structs.replace(self, engine=engine, language=language, prompt="", keywords=(), ignored=ignored)

    @property
    def context(self) -> str:
        return context(self.prompt, self.keywords)

    @property
    def guides(self) -> tuple[str, ...]:
        """The names of the parameters that make up the context."""
        return (*(["prompt"] if self.prompt else []), *(["keywords"] if self.keywords else []))

    @property
    def wants_words(self) -> bool:
        """Whether word timestamps are needed, in the response or to split captions. Translations have none."""
        captioned = bool(self.captions) or self.response_format in ("srt", "vtt")
        return self.target is None and ("word" in self.granularities or captioned)

    @property
    def wants_times(self) -> bool:
        return self.response_format in ("srt", "vtt", "verbose_json", "diarized_json")

    @property
    def wants_speakers(self) -> bool:
        return self.response_format == "diarized_json"


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """Audio in a file at `path` or in memory, described from its own bytes.

    In memory, it is in `audio`, and there need not be a file at `path`; otherwise `audio` is None. If the client gave
    an address instead, DashScope fetches the audio from `url`, there is neither, and the other fields hold no
    information.

    `size` is in bytes, `duration` in seconds, `rate` in Hz. `mime` and `suffix` (with the dot) follow the container
    found in the bytes, never the client's file name. `promised` is the duration stated in the file's header, set only
    if clearly less can be decoded. `lost` is the part of `duration`, in seconds, that was lost to damage; silence takes
    its place when the audio is decoded.

    `clean` means that the file can be sent to DashScope unchanged: all sizes stated in the file are correct; nothing
    precedes or follows the container, except ID3v2 before and ID3v1 after MP3 and ADTS; it contains one audio track in
    one link, no video, at 8 to 192 kHz with one or two channels; WAV contains PCM of up to 32 bits; and decoding, if it
    was tried, found no damage. Any other file is re-encoded before it is sent.
    """

    path: Path
    audio: memoryview | None = None
    size: int
    container: str
    mime: str
    suffix: str
    duration: float
    rate: int
    channels: int
    url: str | None = None
    promised: float | None = None
    lost: float = 0.0
    clean: bool = True

    @property
    def decoded(self) -> float:
        return self.duration - self.lost


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request to one of DashScope's surfaces, after the road is chosen.

    `model` is DashScope's id, `language` a code that this model supports. `words` requests word timestamps. `options`
    are copied into the model's own parameters. `version` changes with what they refer to: it is the time of the last
    change of a stored vocabulary, empty for none.
    """

    model: str
    surface: Surface
    media: Media
    language: str | None = None
    context: str = ""
    words: bool = False
    options: dict[str, Option] = {}
    version: str = ""

    @property
    def bound(self) -> bool:
        """Whether the request refers to something stored in the account, so that another account cannot serve it."""
        return "vocabulary_id" in self.options


class Word(msgspec.Struct, frozen=True):
    """One word as it appears in the text, with its punctuation and space. `confidence` is from 0 to 1, None if
    DashScope does not report it."""

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
    """`seconds` is the billed duration; token counts are None if DashScope does not report them."""

    seconds: float | None = None
    audio_tokens: int | None = None
    text_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def tokens(self) -> tuple[int, int] | None:
        """The tokens of input and of output, None if DashScope does not report them."""
        if self.audio_tokens is None or self.output_tokens is None:
            return None
        return self.audio_tokens + (self.text_tokens or 0), self.output_tokens


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """A transcript. `model` is DashScope's id, `surface` the API that produced it, `duration` the audio's length.
    `promised` is the duration stated in the audio's header, set only if clearly less could be decoded, and `lost` the
    seconds of `duration` that could not be. `finish_reason` is the service's, set only if its text is incomplete:
    `length`."""

    text: str
    segments: tuple[Segment, ...] = ()
    language: str | None = None
    emotion: str | None = None
    duration: float = 0.0
    promised: float | None = None
    lost: float = 0.0
    finish_reason: str | None = None
    usage: Usage = Usage()
    model: str = ""
    surface: str = ""
    request_id: str | None = None
    task_id: str | None = None

    @property
    def decoded(self) -> float:
        return self.duration - self.lost
