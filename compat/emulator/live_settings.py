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


class LiveReadings(msgspec.Struct, frozen=True, kw_only=True):
    """The default is the documented behaviour, or the one reported more often where nothing is documented."""

    fixed_configuration: bool = True
    """A change of the session once audio was appended is an error rather than applied."""
    clear: bool = False
    """`input_audio_buffer.clear` drops the buffer rather than being an error."""
    silent_commit: Literal["nothing", "empty"] = "nothing"
    """A manual commit of silence: no event at all, or an item with an empty transcript."""
    context: bool = True
    """`corpus` is accepted rather than being an error."""
    text_at_end: bool = False
    """`text` stays empty and `stash` has all words until the transcript is complete."""
    revises: bool = False
    """All words are sent as confirmed `text` at once and corrected later."""
    usage: bool = False
    """`completed` carries `usage` in seconds."""
