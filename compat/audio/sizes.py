"""The sample rate of audio that this server writes, and the size of its files."""

from __future__ import annotations

RATE = 16_000

_NOISE = 2 * RATE * 1.02  # bytes per second of FLAC, worst case
_HEADER = 64 << 10  # bytes for the container's header, and the packet that exceeds the limit


def largest(duration: float, max_bytes: int, channels: int = 1) -> int:
    """Return the most bytes that a file of `duration` seconds takes while it is written with `encoder`. FLAC of
    noise is slightly larger than PCM."""
    return min(max_bytes, int(duration * _NOISE * channels)) + _HEADER
