"""Parameter support: every field of OpenAI's transcription and translation requests.

The form parser uses this table, and tests compare the documentation with it. The fields are those of
`CreateTranscriptionRequest` and `CreateTranslationRequest` in OpenAI's OpenAPI document (2026-08).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote

import msgspec

Treatment = Literal["same", "mapped", "ignored"]


class Parameter(msgspec.Struct, frozen=True):
    """A form field.

    `treatment` is `same` (works as at OpenAI), `mapped` (translated for DashScope) or `ignored` (validated, then listed
    in `x-compat-ignored`). `many` is true for a list, sent as repeated `name[]` or `name`.
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
    Parameter("keywords", "mapped", "Hot words for qwen-audio-3; otherwise they join the prompt.", many=True),
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
    """Return the value of `x-compat-ignored`.

    Clients choose the names of extension fields. Therefore each name is cut at 64 characters and percent-encoded as
    needed for a header, and at most 50 names are listed. `.shortened` after a name means that a part of the value was
    used.
    """
    return ",".join(quote(name[:64], safe="[]", errors="replace") for name in list(dict.fromkeys(names))[:50])
