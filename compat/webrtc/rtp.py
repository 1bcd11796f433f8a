"""RTP packets (RFC 3550), after SRTP."""

from __future__ import annotations

from typing import Final

import msgspec

_HEADER: Final = 12  # bytes
_RTCP: Final = range(192, 224)
"""The second byte of RTCP on a port that it shares with RTP (RFC 5761, 4)."""


class Packet(msgspec.Struct, frozen=True):
    """`stamp` is the time of its first sample, in samples of the payload's clock."""

    number: int
    stamp: int
    source: int
    payload: bytes


def is_rtp(data: bytes) -> bool:
    """Return whether a datagram of SRTP or SRTCP (RFC 7983) is RTP."""
    return len(data) > _HEADER and data[1] not in _RTCP


def read(data: bytes, kind: int) -> Packet | None:
    """Return a packet with this payload type; None for another one, or without a payload."""
    if len(data) <= _HEADER or data[0] >> 6 != 2 or data[1] & 0x7F != kind:
        return None
    start, end = _HEADER + 4 * (data[0] & 0x0F), len(data)
    if data[0] & 0x10:  # a header extension
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    if data[0] & 0x20:  # padding
        end -= data[-1]
    if start >= end:
        return None
    return Packet(
        number=int.from_bytes(data[2:4]),
        stamp=int.from_bytes(data[4:8]),
        source=int.from_bytes(data[8:12]),
        payload=data[start:end],
    )


def write(packet: Packet, kind: int, *, first: bool) -> bytes:
    """Return a packet with this payload type. `first`: whether silence was before it (RFC 3551, 4.1)."""
    numbers = packet.number.to_bytes(2) + packet.stamp.to_bytes(4) + packet.source.to_bytes(4)
    return bytes((0x80, first << 7 | kind)) + numbers + packet.payload
