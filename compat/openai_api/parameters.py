"""Every field of OpenAI's transcription and translation requests, and what becomes of it here.

The one table: the form is read by it, and the documents are checked against it. Fields are those of OpenAI's OpenAPI
document (2026-08), `CreateTranscriptionRequest` and `CreateTranslationRequest`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote

import msgspec

Treatment = Literal["same", "mapped", "ignored"]


class Parameter(msgspec.Struct, frozen=True):
    """`treatment`: as at OpenAI, put into DashScope's terms, or accepted and named in `x-compat-ignored`.

    `many`: may come repeatedly, as `name[]` or `name`.
    """

    name: str
    treatment: Treatment
    note: str
    many: bool = False


TRANSCRIPTION = (
    Parameter("file", "same", "Any audio that FFmpeg reads, as far as it decodes; recognised by content, not by name."),
    Parameter("model", "mapped", "OpenAI's names are aliases for DashScope's models; DashScope's own names pass."),
    Parameter("language", "mapped", "A code, a tag such as zh-CN or an English name; one DashScope lacks is ignored."),
    Parameter("languages", "mapped", "One is the language; of several the service detects its own choice.", many=True),
    Parameter("prompt", "mapped", "Becomes the service's context, at most 10,000 tokens with the keywords."),
    Parameter("keywords", "mapped", "Join the context after the prompt, as a list with commas.", many=True),
    Parameter(
        "response_format", "same", "json, text, srt, vtt, verbose_json, diarized_json with any of OpenAI's names."
    ),
    Parameter("timestamp_granularities", "same", "word, segment or both, with verbose_json only.", many=True),
    Parameter("stream", "same", "Server-sent events; for whisper-1 too."),
    Parameter("temperature", "ignored", "0 to 1; the service decodes without sampling."),
    Parameter("include", "ignored", "logprobs; the service gives none.", many=True),
    Parameter("chunking_strategy", "ignored", "auto or server_vad; the service cuts the audio itself."),
    Parameter("known_speaker_names", "ignored", "At most 4; speakers are called A, B, … in diarized_json.", many=True),
    Parameter("known_speaker_references", "ignored", "Data URLs, as many as the names.", many=True),
)

TRANSLATION = tuple(
    row for row in TRANSCRIPTION if row.name in ("file", "model", "prompt", "response_format", "temperature")
)


def ignored_header(names: Iterable[str]) -> str:
    """The value of `x-compat-ignored`. Callers choose the names of extension fields, so that each is percent-encoded
    where a header could not carry it, cut at 64 characters, and no more than 50 are told."""
    return ",".join(quote(name[:64], safe="[]", errors="replace") for name in list(dict.fromkeys(names))[:50])
