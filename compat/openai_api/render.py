"""Rendering of a transcript as a response body in the requested format.

JSON is sent as `application/json`, text and captions as `text/plain`: clients parse by content type.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, assert_never

import msgspec

from compat import languages
from compat.openai_api import captions, diarized
from compat.openai_api.usage import Duration, Tokens, duration, usage
from compat.text import space
from compat.transcript import Ask, CaptionFormat, Layout, Segment, Transcript

CAPTIONS: dict[CaptionFormat, Callable[[Transcript, Layout], str]] = {"srt": captions.srt, "vtt": captions.vtt}


class Rendered(msgspec.Struct, frozen=True):
    body: bytes
    content_type: str


class Lengths(msgspec.Struct, frozen=True):
    """Lengths of the audio in seconds: according to its header, and as decoded."""

    promised: float
    decoded: float


class Dashscope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The extension object `dashscope`. Unknown members are omitted; `engine` names the demo engine, if in use."""

    model: str = ""
    surface: str = ""
    language: str | None = None
    emotion: str | None = None
    request_id: str | None = None
    task_id: str | None = None
    audio: Lengths | None = None
    finish_reason: str | None = None
    captions: dict[str, str] | None = None
    engine: str = ""


class Groq(msgspec.Struct, frozen=True):
    """`x_groq` with the request id, which Groq's responses have and @ai-sdk/groq requires."""

    id: str


class DetectedLanguage(msgspec.Struct, frozen=True):
    code: str


class Json(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    languages: list[DetectedLanguage] | msgspec.UnsetType = msgspec.UNSET
    usage: Tokens | Duration
    dashscope: Dashscope
    x_groq: Groq | msgspec.UnsetType = msgspec.UNSET


class VerboseSegment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment in Whisper's format. The service has no counterpart of the decoder's statistics, which get neutral
    values. `channel` is set if the request named several channels, `speaker` with speaker diarization, `language` and
    `emotion` if the service reports those of the speech in the segment.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int] = []
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float
    no_speech_prob: float = 0.0
    channel: int | msgspec.UnsetType = msgspec.UNSET
    speaker: str | msgspec.UnsetType = msgspec.UNSET
    language: str | msgspec.UnsetType = msgspec.UNSET
    emotion: str | msgspec.UnsetType = msgspec.UNSET


class VerboseWord(msgspec.Struct, frozen=True):
    """A word. `confidence` is an extension, available with qwen-audio-3."""

    word: str
    start: float
    end: float
    confidence: float | msgspec.UnsetType = msgspec.UNSET


class Verbose(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `verbose_json`. `language` is the language of the text. `usage` is always a duration: OpenAI's schema
    has no other type here."""

    task: Literal["transcribe", "translate"]
    language: str
    duration: float
    text: str
    segments: list[VerboseSegment] | msgspec.UnsetType = msgspec.UNSET
    words: list[VerboseWord] | msgspec.UnsetType = msgspec.UNSET
    usage: Duration
    dashscope: Dashscope
    x_groq: Groq | msgspec.UnsetType = msgspec.UNSET


class Diarized(msgspec.Struct, frozen=True, kw_only=True):
    task: Literal["transcribe"] = "transcribe"
    duration: float
    text: str
    segments: list[diarized.DiarizedSegment]
    usage: Tokens | Duration
    dashscope: Dashscope


def render(transcript: Transcript, ask: Ask, groq: str = "") -> Rendered:
    """Render the transcript in the format of `ask`. `groq` is the request id, for requests to Groq's paths."""
    own = Groq(groq) if groq else msgspec.UNSET
    match ask.response_format:
        case "json":
            return _json(msgspec.structs.replace(_plain(transcript, ask), x_groq=own))
        case "verbose_json":
            return _json(msgspec.structs.replace(_verbose(transcript, ask), x_groq=own))
        case "text":
            return _text(transcript.text + "\n")
        case "srt" | "vtt":
            return _text(CAPTIONS[ask.response_format](transcript, ask.layout))
        case "diarized_json":
            return _json(_diarized(transcript, ask))
        case _:
            assert_never(ask.response_format)


def dashscope(transcript: Transcript, ask: Ask) -> Dashscope:
    """Return the extension object of a JSON response."""
    return Dashscope(
        model=transcript.model,
        surface=transcript.surface,
        language=spoken_language(transcript),
        emotion=transcript.emotion,
        request_id=transcript.request_id,
        task_id=transcript.task_id,
        engine=ask.engine,
        finish_reason=transcript.finish_reason,
        audio=None
        if transcript.promised is None
        else Lengths(round(transcript.promised, 3), round(transcript.decoded, 3)),
    )


def spoken_language(transcript: Transcript) -> str | None:
    """Return the language of the transcript, or of its first segment that has one."""
    return transcript.language or next((part.language for part in transcript.segments if part.language), None)


def detected_languages(transcript: Transcript, ask: Ask) -> list[DetectedLanguage] | msgspec.UnsetType:
    """Return `languages` as ISO 639-1 codes: none for silence.

    As at OpenAI, only responses for gpt-transcribe have this member.
    """
    if not ask.model.startswith("gpt-transcribe"):
        return msgspec.UNSET
    code = spoken_language(transcript) if transcript.text else None
    return [DetectedLanguage("tl" if code == "fil" else code)] if code else []


def _json(message: msgspec.Struct) -> Rendered:
    return Rendered(msgspec.json.encode(message), "application/json")


def _text(body: str) -> Rendered:
    return Rendered(body.encode(), "text/plain; charset=utf-8")


def _plain(transcript: Transcript, ask: Ask) -> Json:
    return Json(
        text=transcript.text,
        languages=detected_languages(transcript, ask),
        usage=usage(transcript, ask),
        dashscope=dashscope(transcript, ask),
    )


def _verbose(transcript: Transcript, ask: Ask) -> Verbose:
    language = ask.target or spoken_language(transcript)
    words = "word" in ask.granularities
    untimed = bool(transcript.segments) and not any(part.words for part in transcript.segments)
    wanted = "segment" in ask.granularities or not words or untimed
    return Verbose(
        task="translate" if ask.target else "transcribe",
        language=languages.name(language) if language else "unknown",
        duration=transcript.duration,
        text=transcript.text,
        segments=_segments(transcript, language) if wanted else msgspec.UNSET,
        words=_words(transcript) if words else msgspec.UNSET,
        usage=duration(transcript),
        dashscope=_captioned(transcript, ask),
    )


def _diarized(transcript: Transcript, ask: Ask) -> Diarized:
    return Diarized(
        duration=transcript.duration,
        text=transcript.text,
        segments=diarized.segments(transcript),
        usage=usage(transcript, ask),
        dashscope=_captioned(transcript, ask),
    )


def _captioned(transcript: Transcript, ask: Ask) -> Dashscope:
    texts = {name: CAPTIONS[name](transcript, ask.layout) for name in ask.captions}
    return msgspec.structs.replace(dashscope(transcript, ask), captions=texts or None)


def _segments(transcript: Transcript, language: str | None) -> list[VerboseSegment]:
    parts = captions.without_overlaps(captions.sentences(transcript))
    labels = diarized.labels(parts)
    return [
        VerboseSegment(
            id=number,
            seek=round(segment.start * 100),
            start=segment.start,
            end=segment.end,
            text=gap + segment.text,
            compression_ratio=_compression_ratio(segment),
            channel=msgspec.UNSET if segment.channel is None else segment.channel,
            speaker=msgspec.UNSET if segment.speaker is None else labels[segment.channel, segment.speaker],
            language=segment.language or msgspec.UNSET,
            emotion=segment.emotion or msgspec.UNSET,
        )
        for number, (gap, segment) in enumerate(zip(_gaps(transcript.text, parts, language), parts, strict=True))
    ]


def _gaps(text: str, parts: Sequence[Segment], language: str | None) -> list[str]:
    """Return the space before each segment. As with Whisper, the segments' texts join to the whole text.

    If the text is not the concatenation of the segments, as with several channels, the scripts decide on the spaces.
    """
    gaps, position = [], 0
    for part in parts:
        place = text.find(part.text, position)
        if place < 0 or text[position:place].strip(" "):
            gaps = [space(before.text, after.text) for before, after in pairwise(parts)]
            break
        gaps.append(text[position:place])
        position = place + len(part.text)
    else:
        gaps = gaps[1:]
    first = "" if language in languages.UNSPACED else space(".", parts[0].text if parts else "")
    return [first, *gaps][: len(parts)]


def _compression_ratio(segment: Segment) -> float:
    """Return the ratio of the text's bytes to its bytes compressed with zlib, as Whisper computes it."""
    text = segment.text.encode()
    return len(text) / len(zlib.compress(text))


def _words(transcript: Transcript) -> list[VerboseWord]:
    return [
        VerboseWord(
            word.text.strip(), word.start, word.end, msgspec.UNSET if word.confidence is None else word.confidence
        )
        for segment in transcript.segments
        for word in segment.words
        if word.text.strip()
    ]
