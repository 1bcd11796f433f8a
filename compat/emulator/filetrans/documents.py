"""Result files of file tasks in two formats: qwen3 filetrans, and fun-asr with paraformer and qwen-audio-3.

Model Studio's "Qwen-ASR API reference" and "Fun-ASR / Paraformer recorded speech recognition" (2026). Times are whole
milliseconds. qwen3 numbers sentences from 0 and has language and emotion; fun-asr numbers them from 1 and has neither.
"""

from __future__ import annotations

from typing import Any

import msgspec

from compat.emulator.engine import Sentence
from compat.emulator.text import clauses, joined_text, timed_words


class Channel(msgspec.Struct, frozen=True):
    id: int
    sentences: tuple[Sentence, ...]


class FileProperties(msgspec.Struct, frozen=True, kw_only=True):
    """Container and codec by FFmpeg's names, and the recorded sample rate."""

    container: str
    codec: str
    sample_rate: int


class FileTranscript(msgspec.Struct, frozen=True, kw_only=True):
    """The recognition of one file."""

    url: str
    kind: FileProperties
    seconds: float
    transcripts: tuple[Channel, ...]


def filetrans(transcript: FileTranscript, *, words: bool, language: str | None) -> dict[str, Any]:
    """Return the result file of qwen3. `words` adds words, and ends sentences at punctuation as well as at pauses."""
    return {
        "file_url": transcript.url,
        "audio_info": {"format": transcript.kind.container, "sample_rate": transcript.kind.sample_rate},
        "transcripts": [_filetrans_channel(channel, words, language) for channel in transcript.transcripts],
    }


def _filetrans_channel(channel: Channel, words: bool, language: str | None) -> dict[str, Any]:
    sentences = [part for whole in channel.sentences for part in (clauses(whole) if words else [whole])]
    return {
        "channel_id": channel.id,
        "text": joined_text(list(channel.sentences)),
        "sentences": [
            {
                "sentence_id": number,
                "begin_time": sentence.begin_ms,
                "end_time": sentence.end_ms,
                "language": language or sentence.language,
                "emotion": sentence.emotion,
                "text": sentence.text,
            }
            | ({"words": timed_words(sentence)} if words else {})
            for number, sentence in enumerate(sentences)
        ],
    }


def fun(transcript: FileTranscript, *, speakers: bool, times: bool, confidence: bool) -> dict[str, Any]:
    """Return the result file of the other models. Without `times`, times are 0 and words are left out. With
    `confidence`, words have it, as in qwen-audio-3."""
    return {
        "file_url": transcript.url,
        "properties": {
            "audio_format": transcript.kind.codec,
            "channels": [channel.id for channel in transcript.transcripts],
            "original_sampling_rate": transcript.kind.sample_rate,
            "original_duration_in_milliseconds": round(transcript.seconds * 1000),
        },
        "transcripts": [
            {
                "channel_id": channel.id,
                "content_duration_in_milliseconds": spoken_ms(channel.sentences),
                "text": joined_text(list(channel.sentences)),
                "sentences": [
                    _fun_sentence(number, sentence, speakers, times, confidence)
                    for number, sentence in enumerate(channel.sentences, 1)
                ],
            }
            for channel in transcript.transcripts
        ],
    }


def _fun_sentence(number: int, sentence: Sentence, speakers: bool, times: bool, confidence: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "begin_time": sentence.begin_ms if times else 0,
        "end_time": sentence.end_ms if times else 0,
        "text": sentence.text,
        "sentence_id": number,
    }
    if speakers:
        shown["speaker_id"] = sentence.speaker or 0
    if times:
        shown["words"] = timed_words(sentence, spaced=True, confidence=confidence)
    return shown


def spoken_ms(sentences: tuple[Sentence, ...]) -> int:
    """Return the milliseconds of speech, which fun-asr bills."""
    return sum(sentence.end_ms - sentence.begin_ms for sentence in sentences)
