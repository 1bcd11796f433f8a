"""Support of every field of a session that translates, and of its events: the tables that the documentation is checked
against. Names are those of the openai package's types (3.57, 2026-11).
"""

from __future__ import annotations

from tests.docs.realtime_parameters import Row

TRANSLATED_SESSION = (
    Row("model", "mapped", "gpt-realtime-translate means COMPAT_LIVE_TRANSLATION_MODEL; it cannot change."),
    Row("audio.input.noise_reduction", "ignored", "near_field, far_field or null; the service has its own."),
    Row("audio.input.transcription.model", "mapped", "Any name: the service has one model for the text of the source."),
    Row("audio.output.language", "mapped", "A code, a tag or an English name; en by default."),
)

TRANSLATION_EVENTS = (
    Row("session.update", "same", "Applied completely or not at all, from the next pause on."),
    Row(
        "session.input_audio_buffer.append",
        "same",
        "Mono 16-bit PCM at 24 kHz, in base64 of any length. The header of such a WAV file is skipped; other files get "
        "an error. In a call by WebRTC, an error: the track is the audio.",
    ),
    Row("session.close", "same", "What was said before is translated, then session.closed follows."),
)

TRANSLATION_SENT = (
    Row("session.created", "same", "Sent first, with the settings in effect in dashscope."),
    Row("session.updated", "same", ""),
    Row("session.closed", "same", "The last event, also of a session that the server ends."),
    Row("session.input_transcript.delta", "same", "Only if audio.input.transcription is set."),
    Row("session.output_transcript.delta", "same", "Appended to what came before; nothing is taken back."),
    Row(
        "session.output_audio.delta",
        "same",
        "Mono 16-bit PCM at 24 kHz, if the target language has a voice. In a call by WebRTC, the remote track instead.",
    ),
    Row("error", "same", "The session goes on, unless session.closed follows."),
    Row("*.delta.elapsed_ms", "absent", "The service gives no times."),
)
"""Events sent by the server, and fields of them; `*` matches any beginning."""
