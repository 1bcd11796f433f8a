"""Limits of live sessions, and settings for behaviour that DashScope's documents leave open (2026-11)."""

from __future__ import annotations

from typing import Literal

import msgspec


class LiveLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds, sizes in bytes. None: no limit, as documented for the length of a session."""

    turn_seconds: float = 60
    """Audio in the buffer of a manual turn."""
    append_bytes: int = 15 * 1024 * 1024
    """Decoded audio of one append. The server's limit of a message must be higher (base64 adds a third)."""
    session_seconds: float | None = None
    """Since the upgrade; then the socket is closed with 1001."""
    audio_seconds: float | None = None
    """Audio received; then the socket is closed with 1001."""
    idle_seconds: float | None = None
    """Without a message from the client; then the socket is closed with 1001."""
    life_seconds: float = 2
    """While another machine recognises a turn, between two repetitions of its last snapshot. The service has none."""


class SessionReadings(msgspec.Struct, frozen=True, kw_only=True):
    """Readings of both kinds of session on the realtime socket.

    The default is the documented behaviour, or the one reported more often where nothing is documented.
    """

    fixed_configuration: bool = True
    """A change of the session once audio was appended is an error rather than applied."""
    clear: bool = False
    """`input_audio_buffer.clear` drops the buffer rather than being an error."""
    silent_commit: Literal["nothing", "empty"] = "nothing"
    """A manual commit of silence: no event at all, or an item with an empty transcript."""


class LiveReadings(SessionReadings, frozen=True, kw_only=True):
    """Readings of sessions of transcription."""

    context: bool = True
    """`corpus` is accepted rather than being an error."""
    text: Literal["prefix", "at_end", "revised"] = "prefix"
    """`text` grows and is not revised; it stays empty, with all words in `stash`, until the transcript is complete; or
    it has all words at once and is corrected later."""
    usage: bool = False
    """`completed` carries `usage` in seconds."""


class TranslationReadings(SessionReadings, frozen=True, kw_only=True):
    """Readings of LiveTranslate sessions."""

    manual: bool = True
    """`commit` and `response.create` are errors on the qwen3 models when False, as a field report has it."""
    default_voice: bool = False
    """A 3.8 session without a voice works rather than fails, as a field report has it."""
    speech: bool = True
    """`speech_started`, `speech_stopped`, `committed` and the source's item are sent; the documents list none."""
    previous_item: bool = True
    """The item of a translation names its source's item as `previous_item_id`."""
    source: Literal["before", "after"] = "before"
    """The source's `completed` comes before or after the end of the response."""
    done: Literal["once", "twice", "contradicted"] = "once"
    """The complete text of a response: sent once, sent twice, or other than the text that was settled."""
    finished: bool = True
    """`session.finish` is acknowledged; otherwise the socket is closed."""


class TaskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the run-task socket. Times in seconds; None: no limit."""

    request_seconds: float | None = 23
    """Time without a message from the client while a task runs."""
    silence_seconds: float | None = 60
    """Audio without speech, by the time of the audio, unless the task requests heartbeats."""
    idle_seconds: float | None = 60
    """Time without a task; then the socket is closed."""
    heartbeat_seconds: float = 10
    """Audio without speech between two heartbeats."""
    frame_bytes: int | None = None
    """Bytes of one audio frame; the service's limit is unknown."""
    task_tokens: int | None = None
    """Input tokens of one task, for models billed by tokens; the service's limit is unknown."""
    session_seconds: float | None = None
    """Since the upgrade; then the socket is closed with 1001."""


class TaskReadings(msgspec.Struct, frozen=True, kw_only=True):
    """Readings of the run-task socket."""

    unknown_parameters: Literal["ignored", "refused"] = "ignored"
    """Parameters that are not documented for the model are ignored or refused."""
    silence: Literal["failed", "closed", "kept"] = "failed"
    """After `silence_seconds`: task-failed, the socket is closed without it, or the task goes on."""
    no_data: Literal["failed", "closed", "kept"] = "failed"
    """After `request_seconds`: task-failed, the socket is closed without it, or the task goes on."""
    silent_task: Literal["finished", "empty_audio", "no_valid_audio"] = "finished"
    """The end of a task without speech: task-finished, or task-failed with one of two codes."""
    usage: Literal["cumulative", "sentence"] = "cumulative"
    """`usage` of a final result counts the task so far, or its sentence only."""
    final_sign: Literal["both", "sentence_end", "end_time"] = "both"
    """A final result is marked by `sentence_end`, by an `end_time`, or by both."""
    finals: Literal["once", "twice", "revised"] = "once"
    """A final result is sent once, twice, or a second time with a different text."""
    late_final: bool = False
    """The last final result is sent after task-finished."""
