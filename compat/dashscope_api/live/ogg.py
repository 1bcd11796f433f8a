"""Opus in an Ogg stream (RFC 3533, RFC 7845), which run-task requires: one packet in each page.

It has no pre-skip, because it may begin anywhere in the client's stream.
"""

from __future__ import annotations

import struct
import zlib

from compat.dashscope_api.live import opus

_BEGINNING = 2  # flag of the first page
_PAGE = struct.Struct("<4sBBqIII")  # magic, version, flags, granule position, serial, number, checksum
_CHECKSUM_AT = 22
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggOpus:
    """The stream of one task. `serial` is its number, `rate` the sample rate of its source in Hz."""

    def __init__(self, serial: int, rate: int) -> None:
        self._serial = serial
        self._rate = rate
        self._pages = 0
        self._position = 0

    def feed(self, packet: bytes) -> bytes:
        """Return the page of a packet of at most 65,024 bytes. The pages of the headers precede the first one."""
        headers = b"" if self._pages else self._headers()
        self._position += opus.samples(packet)
        return headers + self._page(packet)

    def _headers(self) -> bytes:
        head = b"OpusHead" + struct.pack("<BBHIHB", 1, 1, 0, self._rate, 0, 0)
        vendor = b"qwen-asr-compat"
        tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + bytes(4)
        return self._page(head, _BEGINNING) + self._page(tags)

    def _page(self, packet: bytes, flags: int = 0) -> bytes:
        whole, rest = divmod(len(packet), 255)
        page = bytearray(_PAGE.pack(b"OggS", 0, flags, self._position, self._serial, self._pages, 0))
        page += bytes([whole + 1]) + b"\xff" * whole + bytes([rest]) + packet
        page[_CHECKSUM_AT : _CHECKSUM_AT + 4] = checksum(page)
        self._pages += 1
        return bytes(page)


def checksum(page: bytes | bytearray) -> bytes:
    """Return the CRC of a page whose checksum is 0: that of zlib with the bits of each byte in reverse order, without
    its inversions (RFC 3533, section 6)."""
    reverse = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return reverse.to_bytes(4, "big").translate(_REVERSED)
