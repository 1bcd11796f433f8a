"""What a transcript cost, in OpenAI's terms: seconds or tokens, never null.

The service's own figures come first. Without them: seconds are the audio's, rounded up; audio is 25 tokens a second
(DashScope's price page, 2026-01); text is estimated by `estimate`.
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
    """How many tokens a text is, near enough: Qwen's tokenizer is not at hand.

    Four English letters make a token, two of another alphabet, and every digit, sign, ideograph, kana or syllable is
    one; blanks go with the next word. It errs upwards: Chinese is really about two tokens for three characters.
    """
    octets = text.encode("utf-8", "surrogatepass")
    letters = len(octets) - len(octets.translate(None, _ASCII_LETTERS))
    blanks = len(text) - sum(map(len, text.split()))
    others = 0 if text.isascii() else sum(map(len, _OTHER_ALPHABETS.findall(text)))
    return math.ceil(letters / 4 + others / 2 + (len(text) - letters - others - blanks))


def duration(transcript: Transcript) -> Duration:
    seconds = transcript.usage.seconds
    return Duration(math.ceil(transcript.duration if seconds is None else seconds))


def tokens(transcript: Transcript, ask: Ask) -> Tokens:
    given = transcript.usage
    audio = duration(transcript).seconds * AUDIO_TOKENS_A_SECOND if given.audio_tokens is None else given.audio_tokens
    text = estimate(ask.context) if given.text_tokens is None else given.text_tokens
    output = estimate(transcript.text) if given.output_tokens is None else given.output_tokens
    return Tokens(audio + text, InputTokenDetails(text, audio), output, audio + text + output)


def usage(transcript: Transcript, ask: Ask) -> Tokens | Duration:
    """As OpenAI bills the model that was asked for: `gpt-…` by tokens, whisper and DashScope's own names by time."""
    return tokens(transcript, ask) if ask.model.startswith("gpt-") else duration(transcript)
