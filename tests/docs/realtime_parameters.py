"""Every field of a transcription session and every event of a realtime session, and what becomes of it here: the tables
that the documents are checked against. Names are those of the openai package's types (3.52, 2026-11).
"""

from __future__ import annotations

from typing import Literal

import msgspec

Treatment = Literal["same", "mapped", "ignored", "refused", "absent"]


class Row(msgspec.Struct, frozen=True):
    """`refused`: answered with an error event; the session goes on. `absent`: this server never sends it."""

    name: str
    treatment: Treatment
    note: str


SESSION = (
    Row("type", "same", "transcription; realtime is taken too and transcribes only."),
    Row("include", "ignored", "Log probabilities; the service gives none. Other names are refused."),
    Row("audio.input.format", "same", "audio/pcm at 8, 16, 24 or 48 kHz, audio/pcmu, audio/pcma; audio/opus besides."),
    Row("audio.input.noise_reduction", "ignored", "near_field, far_field or null; the service has its own."),
    Row("audio.input.transcription.model", "mapped", "As for uploads; qwen3-asr-flash-realtime for OpenAI's names."),
    Row("audio.input.transcription.language", "mapped", "A code, a tag or an English name. Replaces languages."),
    Row(
        "audio.input.transcription.languages", "mapped", "One is the language; of several the service detects its own."
    ),
    Row("audio.input.transcription.prompt", "mapped", "Becomes the service's context."),
    Row("audio.input.transcription.keywords", "mapped", "Join the context after the prompt."),
    Row("audio.input.transcription.delay", "ignored", "The service has one speed."),
    Row(
        "audio.input.turn_detection.type", "mapped", "server_vad and semantic_vad are the service's VAD; null: commits."
    ),
    Row("audio.input.turn_detection.threshold", "mapped", "0 to 1, put on the service's scale."),
    Row("audio.input.turn_detection.prefix_padding_ms", "mapped", "Moves the reported start."),
    Row("audio.input.turn_detection.silence_duration_ms", "mapped", "Kept between 200 and 6000 ms."),
    Row("audio.input.turn_detection.eagerness", "mapped", "A silence: low 4000 ms, medium and auto 1000, high 500."),
    Row("audio.input.turn_detection.create_response", "ignored", "Nothing answers here."),
    Row("audio.input.turn_detection.interrupt_response", "ignored", "Nothing answers here."),
    Row("audio.input.turn_detection.idle_timeout_ms", "ignored", "Nothing answers here."),
)

EVENTS = (
    Row("session.update", "same", "Whole or not at all; changes what it contains, from the next turn on."),
    Row("input_audio_buffer.append", "same", "Base64 of any length and spelling."),
    Row("input_audio_buffer.commit", "same", "Under turn detection too: ends the turn."),
    Row("input_audio_buffer.clear", "same", "Drops what is not committed."),
    Row("conversation.item.retrieve", "same", "The item with its transcript."),
    Row("conversation.item.delete", "same", ""),
    Row("conversation.item.create", "refused", "There are no items but the caller's own speech."),
    Row("conversation.item.truncate", "refused", "Nothing answers here."),
    Row("response.create", "refused", "Nothing answers here."),
    Row("response.cancel", "refused", "Nothing answers here."),
    Row("output_audio_buffer.clear", "refused", "Nothing answers here."),
)

SENT = (
    Row("session.created", "same", "The first; transcription_session.created to beta callers who transcribe."),
    Row("session.updated", "same", "With what is applied; transcription_session.updated to those."),
    Row("input_audio_buffer.speech_started", "same", ""),
    Row("input_audio_buffer.speech_stopped", "same", ""),
    Row("input_audio_buffer.committed", "same", ""),
    Row("input_audio_buffer.cleared", "same", ""),
    Row("conversation.item.created", "same", "To beta callers."),
    Row("conversation.item.added", "same", "To GA callers."),
    Row("conversation.item.done", "same", "To GA callers."),
    Row("conversation.item.retrieved", "same", ""),
    Row("conversation.item.deleted", "same", ""),
    Row(
        "conversation.item.input_audio_transcription.delta",
        "same",
        "Settled words; dashscope.stash is what may change.",
    ),
    Row(
        "conversation.item.input_audio_transcription.completed",
        "same",
        "With languages, and dashscope.emotion.",
    ),
    Row("conversation.item.input_audio_transcription.failed", "same", ""),
    Row("error", "same", ""),
    Row("conversation.item.input_audio_transcription.delta.logprobs", "absent", "The service gives none."),
    Row("conversation.item.input_audio_transcription.completed.logprobs", "absent", "The service gives none."),
    Row("conversation.item.input_audio_transcription.segment", "absent", "The service tells no speakers live."),
    Row("conversation.created", "absent", "Items hang together by previous_item_id."),
    Row("conversation.item.truncated", "absent", "Nothing answers here."),
    Row("input_audio_buffer.timeout_triggered", "absent", "Nothing answers here."),
    Row("input_audio_buffer.dtmf_event_received", "absent", "There are no telephone calls here."),
    Row("rate_limits.updated", "absent", "OpenAI tells it of answers."),
    Row("response.*", "absent", "Nothing answers here."),
    Row("output_audio_buffer.*", "absent", "Nothing answers here."),
    Row("mcp_list_tools.*", "absent", "Nothing answers here."),
)
"""Events of the server, and fields of them; `*` is whatever begins so."""
