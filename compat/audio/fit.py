"""Re-encoding of audio to a size and format that DashScope accepts.

`fit` and `cancels` are for the worker process only. They load FFmpeg's libraries when they are called, so that the
server, which only names them, does not.
"""

from __future__ import annotations

from pathlib import Path

from compat.transcript import Media


def fit(media: Media, target: Path, *, max_bytes: int, channels: int = 1) -> Media:
    """Write the audio of `media` to `target` as FLAC, or as Opus in Ogg if FLAC would exceed `max_bytes`. All channels
    are mixed to mono, or the first `channels` (2 to 8) are kept apart.

    The returned Media names the format; the name of `target` does not. Raises BadAudio if the audio cannot be decoded
    or is too long for `max_bytes` even in Opus.
    """
    from compat.audio.encode import fitted

    return fitted(media, target, max_bytes=max_bytes, channels=channels)


def cancels(path: Path) -> bool:
    """Return whether the channels of a file cancel each other in its first seconds of sound. Raises BadAudio."""
    from compat.audio.encode import cancelling

    return cancelling(path)
