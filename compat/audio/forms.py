"""Headers of AIFF and Sony's W64, for files with a missing or wrong size, at which FFmpeg would stop reading."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from compat.audio.wav import Wave, form, placeholder

_LAST = 1 << 31  # frames; from this count on, FFmpeg treats an AIFF as empty
_CHUNKS = 64
_CODINGS = {
    b"twos": "s{}be", b"NONE": "s{}be", b"sowt": "s{}le", b"fl32": "f32be", b"FL32": "f32be", b"fl64": "f64be",
    b"FL64": "f64be", b"ulaw": "mulaw", b"ULAW": "mulaw", b"alaw": "alaw", b"ALAW": "alaw", b"raw ": "u8",
}  # fmt: skip
_WIDTHS = {"mulaw": 1, "alaw": 1, "u8": 1, "f32be": 4, "f64be": 8}


def aiff(file: BinaryIO, start: int, end: int) -> Wave | None:
    """Return the header of an AIFF without valid sizes, whose audio extends to the end of the file; else None."""
    file.seek(start)
    whole, common = int.from_bytes(file.read(12)[4:8], "big"), b""
    for _ in range(_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return None
        name, length = struct.unpack(">4sI", head)
        if name == b"SSND":
            open_ended = not whole or length <= 8 or placeholder(length, end - file.tell())
            open_ended = open_ended or int.from_bytes(common[2:6], "big") >= _LAST
            skipped = int.from_bytes(file.read(8)[:4], "big")
            return _aiff(common, file.tell() + skipped, end) if open_ended else None
        body = file.read(min(length, 22)) if name == b"COMM" else b""
        common = body or common
        file.seek(length + length % 2 - len(body), io.SEEK_CUR)
    return None


def _aiff(common: bytes, data: int, end: int) -> Wave | None:
    """Parse a COMM chunk, in which the rate is an 80-bit float."""
    if len(common) < 18:
        return None
    channels, _, bits, exponent, mantissa = struct.unpack_from(">HIHHQ", common)
    width = (bits + 7) // 8
    coding = _CODINGS.get(common[18:22] or b"NONE", "").format(8 * width).replace("s8be", "s8").replace("s8le", "s8")
    rate = round(mantissa * 2.0 ** (min(exponent, 16_446) - 16_446))
    block = channels * _WIDTHS.get(coding, width)
    if not (coding and block and rate):
        return None
    there = max(0, end - data)
    return Wave(coding, rate, channels, block, data, there - there % block, None, exact=False)


def w64(file: BinaryIO, start: int, end: int) -> Wave | None:
    """Return the header of a W64 with PCM. A chunk starts at a multiple of 8, with a 16-byte name and an 8-byte length
    that includes these 24 bytes."""
    at, shape = start + 40, None
    for _ in range(_CHUNKS):
        file.seek(at)
        head = file.read(24)
        if len(head) < 24:
            return None
        length = struct.unpack_from("<q", head, 16)[0]
        if head.startswith(b"fmt "):
            shape = form(file.read(40), "<", padded=True)
        if head.startswith(b"data"):
            break
        at += max(24, length + -length % 8)
    if shape is None or shape.coding is None or not head.startswith(b"data"):
        return None
    there, stated = max(0, end - at - 24), length - 24
    known = None if stated <= 0 or placeholder(stated, max(there, shape.block)) else stated
    exact = shape.exact and known is not None and 0 <= there - known < 8
    present = there if known is None else min(known, there)
    return Wave(shape.coding, shape.rate, shape.channels, shape.block, at + 24, present, known, shape.mask, exact=exact)
