"""Support of every field of a transcription session and every event of a realtime session: the tables that the
documentation is checked against. Names are those of the openai package's types (3.57, 2026-11).
"""

from __future__ import annotations

from typing import Literal

import msgspec

Treatment = Literal["same", "mapped", "ignored", "refused", "absent"]


class Row(msgspec.Struct, frozen=True):
    """`refused`: answered with an error event; the session continues. `absent`: this server never sends it."""

    name: str
    treatment: Treatment
    note: str


SESSION = (
    Row("type", "same", "transcription; realtime is accepted too, but only transcribes."),
    Row("include", "ignored", "Log probabilities, which the service does not provide. Other values are refused."),
    Row("audio.input.format", "same", "audio/pcm at 8, 16, 24 or 48 kHz, audio/pcmu, audio/pcma; also audio/opus."),
    Row("audio.input.noise_reduction", "ignored", "near_field, far_field or null; the service has its own."),
    Row("audio.input.transcription.model", "mapped", "As for uploads; qwen3-asr-flash-realtime for OpenAI's names."),
    Row("audio.input.transcription.language", "mapped", "A code, a tag or an English name. Replaces languages."),
    Row(
        "audio.input.transcription.languages", "mapped", "One sets the language; with several, the service detects it."
    ),
    Row("audio.input.transcription.prompt", "mapped", "Sent as the service's context."),
    Row("audio.input.transcription.keywords", "mapped", "Appended to the context after the prompt."),
    Row("audio.input.transcription.delay", "ignored", "The service has one speed."),
    Row(
        "audio.input.turn_detection.type",
        "mapped",
        "server_vad and semantic_vad use the service's VAD; null turns it off.",
    ),
    Row("audio.input.turn_detection.threshold", "mapped", "0 to 1, converted to the service's scale."),
    Row("audio.input.turn_detection.prefix_padding_ms", "mapped", "Moves the reported start."),
    Row("audio.input.turn_detection.silence_duration_ms", "mapped", "Kept between 200 and 6000 ms."),
    Row(
        "audio.input.turn_detection.eagerness",
        "mapped",
        "Sets the silence: low 4000 ms, medium and auto 1000, high 500.",
    ),
    Row("audio.input.turn_detection.create_response", "ignored", "This server generates no responses."),
    Row("audio.input.turn_detection.interrupt_response", "ignored", "This server generates no responses."),
    Row("audio.input.turn_detection.idle_timeout_ms", "ignored", "This server generates no responses."),
)

EVENTS = (
    Row(
        "session.update",
        "same",
        "Applied completely or not at all; changes the fields it contains, from the next turn on.",
    ),
    Row("input_audio_buffer.append", "same", "Base64 of any length and spelling."),
    Row("input_audio_buffer.commit", "same", "Also with turn detection: ends the turn."),
    Row("input_audio_buffer.clear", "same", "Drops uncommitted audio."),
    Row("conversation.item.retrieve", "same", "The item with its transcript."),
    Row("conversation.item.delete", "same", ""),
    Row("conversation.item.create", "refused", "All items are the client's own speech."),
    Row("conversation.item.truncate", "refused", "This server generates no responses."),
    Row("response.create", "refused", "This server generates no responses."),
    Row("response.cancel", "refused", "This server generates no responses."),
    Row("output_audio_buffer.clear", "refused", "This server generates no responses."),
)

SENT = (
    Row("session.created", "same", "Sent first; transcription_session.created to beta transcription clients."),
    Row("session.updated", "same", "With the applied settings; transcription_session.updated to those clients."),
    Row("input_audio_buffer.speech_started", "same", ""),
    Row("input_audio_buffer.speech_stopped", "same", ""),
    Row("input_audio_buffer.committed", "same", ""),
    Row("input_audio_buffer.cleared", "same", ""),
    Row("conversation.item.created", "same", "To beta clients."),
    Row("conversation.item.added", "same", "To GA clients."),
    Row("conversation.item.done", "same", "To GA clients."),
    Row("conversation.item.retrieved", "same", ""),
    Row("conversation.item.deleted", "same", ""),
    Row(
        "conversation.item.input_audio_transcription.delta",
        "same",
        "Final words; dashscope.stash holds text that may change.",
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
    Row(
        "conversation.item.input_audio_transcription.segment", "absent", "The service has no live speaker diarization."
    ),
    Row("conversation.created", "absent", "Items are linked by previous_item_id."),
    Row("conversation.item.truncated", "absent", "This server generates no responses."),
    Row("input_audio_buffer.timeout_triggered", "absent", "This server generates no responses."),
    Row("input_audio_buffer.dtmf_event_received", "absent", "Telephone calls are not supported."),
    Row("rate_limits.updated", "absent", "OpenAI sends it with responses."),
    Row("response.*", "absent", "This server generates no responses."),
    Row("output_audio_buffer.*", "absent", "This server generates no responses."),
    Row("mcp_list_tools.*", "absent", "This server generates no responses."),
)
"""Events sent by the server, and fields of them; `*` matches any ending."""
