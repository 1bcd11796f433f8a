"""Opus as clients send it: one bare packet in each append, or an Ogg stream in any pieces (RFC 6716, 3533, 7845)."""

from __future__ import annotations

from collections.abc import Iterator

from compat.bridge.limits import TICKS_A_MS
from compat.errors import BadRequest

PIECE = 1 << 16
"""Bytes of an append that are read in one turn of the event loop; every packet fits."""
OGG_PIECE = 1 << 12
"""The same of an Ogg stream, in which a packet may be a single byte."""
LONGEST = 120 * TICKS_A_MS
FRAME = 1275 + 2
"""Bytes of one frame and its length (RFC 6716, 3.2.1): more would be padding, which takes memory and has no sound."""
_OGG, _PAGE = b"OggS", 27
_HEADS = (b"OpusHead", b"OpusTags")
_FILES = {b"\x1a\x45\xdf\xa3": "WebM or Matroska", b"RIFF": "WAV", b"ID3": "MP3", b"fLaC": "FLAC"}


class Packets:
    """Splits what the client appends into packets. An Ogg stream goes on until the client sets the format again; bytes
    between two pages are skipped."""

    def __init__(self) -> None:
        self._ogg = False
        self._file = ""
        self._begun = False
        self._held = b""
        self._packet = b""

    def most(self, rest: bytes | memoryview) -> int:
        """How many bytes of this to feed in one turn of the event loop."""
        return OGG_PIECE if self._ogg or self._held or rest[: len(_OGG)] == _OGG else PIECE

    def feed(self, piece: bytes) -> list[bytes]:
        """Returns the packets. Raises BadRequest if it is neither form; never in an Ogg stream that has begun."""
        piece, self._held = self._held + piece, b""
        self._ogg = self._ogg or piece.startswith(_OGG)
        if self._ogg or _OGG.startswith(piece):  # no such beginning is a packet
            self._held = piece
            return [packet for page in self._pages() for packet in self._laced(page) if sound(packet)]
        if not self._begun:
            self._file = next((name for magic, name in _FILES.items() if piece.startswith(magic)), "")
        self._begun = True
        if self._file or not sound(piece):
            what = f"a {self._file} file" if self._file else "no Opus packet"
            raise BadRequest(
                f"The audio is {what}: audio/opus takes bare Opus packets, one in each append, or an Ogg stream. Send "
                "PCM, or upload the file to /v1/audio/transcriptions.",
                param="audio",
            )
        return [piece]

    def _pages(self) -> Iterator[bytes]:
        while (at := self._held.find(_OGG)) >= 0:
            self._held = self._held[at:]
            laced = _PAGE + (self._held[_PAGE - 1] if len(self._held) >= _PAGE else 1)
            length = laced + sum(self._held[_PAGE:laced])
            if len(self._held) < length:
                return
            page, self._held = self._held[:length], self._held[length:]
            yield page
        self._held = self._held[-len(_OGG) + 1 :]

    def _laced(self, page: bytes) -> Iterator[bytes]:
        """The packets that end on this page."""
        at = _PAGE + page[_PAGE - 1]
        for lace in page[_PAGE:at]:
            self._packet += page[at : at + lace]
            at += lace
            if lace < 255:
                yield self._packet
                self._packet = b""
            elif len(self._packet) > PIECE:
                self._packet = b""


def sound(packet: bytes) -> bool:
    """Whether it can be an Opus packet with sound in it."""
    fits = len(packet) <= 2 + _frames(packet) * FRAME
    return fits and 0 < ticks(packet) <= LONGEST and not packet.startswith(_HEADS)


def ticks(packet: bytes) -> int:
    """The duration of one Opus packet (RFC 6716, section 3.1)."""
    if not packet:
        return 0
    config = packet[0] >> 3
    if config < 12:
        frame = (160, 320, 640, 960)[config % 4]
    elif config < 16:
        frame = (160, 320)[config % 2]
    else:
        frame = (40, 80, 160, 320)[config % 4]
    return frame * _frames(packet)


def _frames(packet: bytes) -> int:
    return (1, 2, 2, packet[1] & 63 if len(packet) > 1 else 0)[packet[0] & 3] if packet else 0
