"""The live surface's bounds, and which answer is played where DashScope's documents leave a question open (2026-11)."""

from __future__ import annotations

from typing import Literal

import msgspec


class LiveLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds, sizes in bytes. None: no bound, as documented for a session's length."""

    turn_seconds: float = 60
    """Audio in the buffer of a manual turn."""
    append_bytes: int = 15 * 1024 * 1024
    """Decoded audio of one append. The server's own bound on a message must lie above it (base64 adds a third)."""
    session_seconds: float | None = None
    """From the upgrade on; then the socket is closed with 1001."""
    audio_seconds: float | None = None
    """Audio taken in; then the socket is closed with 1001."""
    idle_seconds: float | None = None
    """Without a message from the client; then the socket is closed with 1001."""


class LiveReadings(msgspec.Struct, frozen=True, kw_only=True):
    """The default is the documented answer, or the one seen more often where nothing is documented."""

    fixed_configuration: bool = True
    """A change of the session once audio was appended is an error rather than applied."""
    clear: bool = False
    """`input_audio_buffer.clear` drops the buffer rather than being an error."""
    silent_commit: Literal["nothing", "empty"] = "nothing"
    """A manual commit of silence: no event at all, or an item with an empty transcript."""
    context: bool = True
    """`corpus` is taken rather than being an error."""
    text_at_end: bool = False
    """`text` stays empty, and all is `stash`, until the transcript is complete."""
    revises: bool = False
    """Everything heard is shown as confirmed `text` at once, and corrected later where it was wrong."""
    usage: bool = False
    """`completed` carries `usage` in seconds."""
