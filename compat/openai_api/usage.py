"""Usage of a transcript in OpenAI's format: seconds or tokens, never null.

The service's figures take precedence. Otherwise the seconds are the duration of the audio, rounded up; a second of
audio counts as 25 tokens (DashScope's price page, 2026-01); `estimate` estimates the tokens of text.
"""

from __future__ import annotations

import math
import re
import string

import msgspec

from compat.transcript import Ask, Transcript

AUDIO_TOKENS_A_SECOND = 25

_ASCII_LETTERS = string.ascii_letters.encode()
_OTHER_ALPHABETS = re.compile(r"[\u00aa-\u1fff]+")


class InputTokenDetails(msgspec.Struct, frozen=True):
    text_tokens: int
    audio_tokens: int


class Tokens(msgspec.Struct, frozen=True, tag_field="type", tag="tokens"):
    input_tokens: int
    input_token_details: InputTokenDetails
    output_tokens: int
    total_tokens: int


class Duration(msgspec.Struct, frozen=True, tag_field="type", tag="duration"):
    seconds: int


def estimate(text: str) -> int:
    """Estimate the number of tokens in a text. Qwen's tokenizer is not a dependency.

    A token is four ASCII letters, two letters of another alphabet, or one digit, sign, ideograph, kana or syllable;
    whitespace counts with the next word. The estimate errs upwards: Chinese has about two tokens per three characters.
    """
    octets = text.encode("utf-8", "surrogatepass")
    letters = len(octets) - len(octets.translate(None, _ASCII_LETTERS))
    blanks = len(text) - sum(map(len, text.split()))
    others = 0 if text.isascii() else sum(map(len, _OTHER_ALPHABETS.findall(text)))
    return math.ceil(letters / 4 + others / 2 + (len(text) - letters - others - blanks))


def duration(transcript: Transcript) -> Duration:
    """Return the billed duration in whole seconds."""
    seconds = transcript.usage.seconds
    return Duration(math.ceil(transcript.duration if seconds is None else seconds))


def tokens(transcript: Transcript, ask: Ask) -> Tokens:
    """Return the usage in tokens, reported or estimated."""
    given = transcript.usage
    audio = duration(transcript).seconds * AUDIO_TOKENS_A_SECOND if given.audio_tokens is None else given.audio_tokens
    text = estimate(ask.context) if given.text_tokens is None else given.text_tokens
    output = estimate(transcript.text) if given.output_tokens is None else given.output_tokens
    return Tokens(audio + text, InputTokenDetails(text, audio), output, audio + text + output)


def usage(transcript: Transcript, ask: Ask) -> Tokens | Duration:
    """Return the usage in OpenAI's unit for the requested model: tokens for `gpt-…`, seconds for all other names."""
    return tokens(transcript, ask) if ask.model.startswith("gpt-") else duration(transcript)
