"""The duration of Opus packets (RFC 6716, section 3.1)."""

from __future__ import annotations

from typing import Final

RATE: Final = 48_000


def samples(packet: bytes) -> int:
    """Return the duration of a packet in samples at RATE, 0 if it is not a valid packet."""
    if not packet:
        return 0
    config = packet[0] >> 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config % 4]
    elif config < 16:
        frame = (480, 960)[config % 2]
    else:
        frame = (120, 240, 480, 960)[config % 4]
    return frame * frames(packet)


def frames(packet: bytes) -> int:
    """Return the number of frames in a packet."""
    return (1, 2, 2, packet[1] & 63 if len(packet) > 1 else 0)[packet[0] & 3] if packet else 0
