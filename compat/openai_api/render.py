"""A transcript to the body of the answer, in the format that was asked for.

JSON goes out as `application/json`; text and captions as `text/plain`, because clients parse by the content type.
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
from compat.transcript import Ask, CaptionFormat, Segment, Transcript

CAPTIONS: dict[CaptionFormat, Callable[[Transcript], str]] = {"srt": captions.srt, "vtt": captions.vtt}


class Rendered(msgspec.Struct, frozen=True):
    body: bytes
    content_type: str


class Lengths(msgspec.Struct, frozen=True):
    """In seconds: what the audio's header promises, and what of it could be decoded."""

    promised: float
    decoded: float


class Dashscope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What OpenAI has no field for; members that are not known are left out. `engine`: what answers in its place."""

    model: str = ""
    surface: str = ""
    language: str | None = None
    emotion: str | None = None
    request_id: str | None = None
    task_id: str | None = None
    audio: Lengths | None = None
    captions: dict[str, str] | None = None
    engine: str = ""


class Groq(msgspec.Struct, frozen=True):
    """What Groq's answers have besides, and @ai-sdk/groq will not do without: the request's id."""

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
    """Whisper's segment. Of its inner figures the service gives none: those stand at what means "nothing wrong".

    `channel` is told where several were asked for, `speaker` where they were told apart.
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


class VerboseWord(msgspec.Struct, frozen=True):
    """`confidence` is qwen-audio-3's own."""

    word: str
    start: float
    end: float
    confidence: float | msgspec.UnsetType = msgspec.UNSET


class Verbose(msgspec.Struct, frozen=True, kw_only=True):
    """`usage` is by time whatever the model: OpenAI's schema has no other here. `language` is that of the text."""

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
    """`groq`: the request's id, where Groq's own address was called."""
    own = Groq(groq) if groq else msgspec.UNSET
    match ask.response_format:
        case "json":
            return _json(msgspec.structs.replace(_plain(transcript, ask), x_groq=own))
        case "verbose_json":
            return _json(msgspec.structs.replace(_verbose(transcript, ask), x_groq=own))
        case "text":
            return _text(transcript.text + "\n")
        case "srt" | "vtt":
            return _text(CAPTIONS[ask.response_format](transcript))
        case "diarized_json":
            return _json(_diarized(transcript, ask))
        case _:
            assert_never(ask.response_format)


def dashscope(transcript: Transcript, ask: Ask) -> Dashscope:
    """The extension object of every JSON answer."""
    return Dashscope(
        model=transcript.model,
        surface=transcript.surface,
        language=spoken(transcript),
        emotion=transcript.emotion,
        request_id=transcript.request_id,
        task_id=transcript.task_id,
        engine=ask.engine,
        audio=None
        if transcript.promised is None
        else Lengths(round(transcript.promised, 3), round(transcript.duration, 3)),
    )


def spoken(transcript: Transcript) -> str | None:
    """The language of the whole, or of the first sentence that has one."""
    return transcript.language or next((part.language for part in transcript.segments if part.language), None)


def heard(transcript: Transcript, ask: Ask) -> list[DetectedLanguage] | msgspec.UnsetType:
    """`languages` of an answer: OpenAI gives it for gpt-transcribe only, in ISO 639-1."""
    if not ask.model.startswith("gpt-transcribe"):
        return msgspec.UNSET
    code = spoken(transcript)
    return [DetectedLanguage("tl" if code == "fil" else code)] if code else []


def _json(message: msgspec.Struct) -> Rendered:
    return Rendered(msgspec.json.encode(message), "application/json")


def _text(body: str) -> Rendered:
    return Rendered(body.encode(), "text/plain; charset=utf-8")


def _plain(transcript: Transcript, ask: Ask) -> Json:
    return Json(
        text=transcript.text,
        languages=heard(transcript, ask),
        usage=usage(transcript, ask),
        dashscope=dashscope(transcript, ask),
    )


def _verbose(transcript: Transcript, ask: Ask) -> Verbose:
    language = ask.target or spoken(transcript)
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
    texts = {name: CAPTIONS[name](transcript) for name in ask.captions}
    return msgspec.structs.replace(dashscope(transcript, ask), captions=texts or None)


def _segments(transcript: Transcript, language: str | None) -> list[VerboseSegment]:
    parts = captions.apart(captions.sentences(transcript))
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
        )
        for number, (gap, segment) in enumerate(zip(_gaps(transcript.text, parts, language), parts, strict=True))
    ]


def _gaps(text: str, parts: Sequence[Segment], language: str | None) -> list[str]:
    """The space at the beginning of each segment, as whisper's have it: joined and stripped they are the text. Where
    the text is not theirs in a row, as with several channels, it is what their scripts want."""
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
    """As whisper computes it: bytes of text to bytes of zlib."""
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
