"""Checks that a file's header agrees with its content, by samples of the content: fast for files of any size.

A file that is truncated, concatenated or damaged still has its original header. The checks are that frame numbers
increase throughout the file, that sizes end at the end of the file, and that the bit rate agrees with the header.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import BinaryIO, NamedTuple

from compat.audio import sniff
from compat.audio.sniff import ByteSpan

_PLACES = 17  # prime, so that copies of one file do not begin at all of these places
_PAGES = 4  # per block, except the last
_PAGE = 65_536  # bytes of the largest Ogg page
_LACED = 27 + 255  # bytes of its longest header
_MOST = 2_000_000  # pages or chunks: of 20 ms for 11 hours
_FRAMES = 32_768  # bytes within which a FLAC frame begins, except for exotic files
_WALKED = 262_144  # bytes of MPEG audio that are parsed frame by frame, in a millisecond or two
_MPEG = 4096  # bytes that contain a few MPEG frames
_BIT_RATES = {  # kbit/s (ISO/IEC 11172-3 §2.4.2.3 and 13818-3), by (is MPEG-1, layer)
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_BLOCKS = 128  # of FLAC's metadata
_ENOUGH = 48  # frames per block
_FLAC_FRAME = re.compile(rb"\xff\xf8[\x10-\xff][\x00-\xaf]")


_OGG_PAGE = re.compile(rb"OggS\0[\0-\7]")
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _crc8_of(byte: int) -> int:
    for _ in range(8):
        byte = byte << 1 ^ (0x107 if byte & 0x80 else 0)
    return byte


_CRC8 = tuple(map(_crc8_of, range(256)))


def _blocks(file: BinaryIO, place: ByteSpan, length: int) -> Iterator[bytes]:
    """Yield blocks of a file, evenly spread without overlap, the last one at its end."""
    at, size = place.start, place.end - place.start
    for number in range(1, _PLACES + 1):
        begin = max(at, place.start + size * number // _PLACES - length)
        if begin < place.end:
            file.seek(begin)
            block = file.read(min(length, place.end - begin))
            at = begin + len(block)
            yield block


# --- MP3 ---------------------------------------------------------------------------------------------------------


def mpeg_pace(file: BinaryIO, place: ByteSpan) -> float | None:
    """Return the bytes per second of MPEG audio from its frame headers; None if a sample of the file has none, or if a
    file short enough to be parsed completely has a gap between frames."""
    if place.end - place.start <= _WALKED:
        return _walked_pace(file, place)
    size = seconds = 0.0
    for block in _blocks(file, place, _MPEG):
        frames = list(_mpeg_frames(block))
        if not frames:
            return None
        size, seconds = size + sum(length for length, _ in frames), seconds + sum(duration for _, duration in frames)
    return size / seconds if seconds else None


def _walked_pace(file: BinaryIO, place: ByteSpan) -> float | None:
    file.seek(place.start)
    data = file.read(place.end - place.start)
    at, seconds = 0, 0.0
    while at < len(data):
        frame = _mpeg_frame(data[at : at + 4])
        if frame is None:
            return None
        at, seconds = at + frame[0], seconds + frame[1]
    return len(data) / seconds


def _mpeg_frames(block: bytes) -> Iterator[tuple[int, float]]:
    """Yield the bytes and seconds of each frame in a block, from at least three frames in a row, or two at its end."""
    at = block.find(b"\xff")
    while 0 <= at < len(block) - 3:
        chain, behind = [], at
        while (frame := _mpeg_frame(block[behind : behind + 4])) is not None:
            chain.append(frame)
            behind += frame[0]
        if len(chain) >= 3 or (len(chain) == 2 and behind > len(block)):
            yield from chain
            return
        at = block.find(b"\xff", at + 1)


def _mpeg_frame(head: bytes) -> tuple[int, float] | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bit_rate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    bits, hertz = _BIT_RATES[version == 3, layer][bit_rate - 1] * 1000, _RATES[version][rate]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return (12 * bits // hertz + padding) * 4, 384 / hertz
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits // hertz + padding, samples / hertz


class Xing(NamedTuple):
    """The Xing header, the first frame of an MP3: the byte count (which may include this frame), the bytes of this
    frame, and the samples of encoder delay and padding, which decoders drop."""

    bytes: int
    own: int
    padding: int


def xing(head: bytes) -> Xing | None:
    """Parse the header in the first 256 bytes of an MP3; None if it is missing or has no byte count.

    Fraunhofer's VBRI has its count at a fixed place (codeproject.com/Articles/8295, "MPEG Audio Frame Header").
    """
    frame = _mpeg_frame(head[:4])
    if frame is None:
        return None
    if head[36:40] == b"VBRI":
        return Xing(int.from_bytes(head[46:50], "big"), frame[0], 0)
    at = next((at for at in (13, 21, 36) if head[at : at + 4] in (b"Xing", b"Info")), 0)
    flags = head[at + 7] if at and len(head) > at + 8 else 0
    if not flags & 2:
        return None
    counted = at + 8 + 4 * (flags & 1)
    lame = counted + 4 + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    both = int.from_bytes(head[lame + 21 : lame + 24], "big") if head[lame : lame + 4].isalpha() else 0
    return Xing(int.from_bytes(head[counted : counted + 4], "big"), frame[0], (both >> 12) + (both & 0xFFF))


# --- FLAC --------------------------------------------------------------------------------------------------------


def flac_begin(file: BinaryIO, place: ByteSpan) -> int:
    """Return the offset of the first frame: metadata blocks precede it, and one of them may be padding with zeros."""
    at = place.start + 4
    for _ in range(_BLOCKS):
        file.seek(at)
        head = file.read(4).ljust(4, b"\x80")
        at += 4 + int.from_bytes(head[1:], "big")
        if head[0] & 0x80:
            break
    return min(at, place.end)


def flac_runs(file: BinaryIO, place: ByteSpan, last: int) -> bool:
    """Return whether FLAC frame numbers increase throughout the file, up to `last` (RFC 9639 §9.1), and all frames have
    the same sample rate and size. A single other frame may be a coincidence in the data."""
    blocks = list(_blocks(file, place, _FRAMES))
    frames = [frame for block in blocks[:-1] for frame in _flac_frames(block, slice(_ENOUGH))]
    frames += [frame for block in blocks[-1:] for frame in _flac_frames(block, slice(-_ENOUGH, None))]
    kinds = Counter(kind for _, kind in frames).most_common(2)
    if len(kinds) > 1 and kinds[1][1] > 1:
        return False
    numbers = [number for number, kind in frames if kind == kinds[0][0]]
    return bool(numbers) and numbers[-1] == last and all(before < after for before, after in pairwise(numbers))


def _flac_frames(block: bytes, which: slice) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield the number of each frame that begins in a block, and the header bits that all frames of a file share. Only
    headers with a valid checksum count."""
    for match in list(_FLAC_FRAME.finditer(block))[which]:
        head = block[match.start() : match.start() + 16]
        size = _coded_size(head[4]) if len(head) > 4 else 0
        kinds = {6: 1, 7: 2}.get(head[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
        end = 4 + size + kinds
        if size and len(head) > end and _crc8(head[:end]) == head[end]:
            number = head[4] if size == 1 else head[4] & (0x7F >> size)
            for byte in head[5 : 4 + size]:
                number = number << 6 | byte & 0x3F
            yield number, (head[2] & 15, head[3] & 15)


def _coded_size(first: int) -> int:
    """Return the length of a UTF-8-style coded number from its first byte; 0 if invalid."""
    ones = 8 - (first ^ 0xFF).bit_length()
    return {0: 1, 1: 0, 8: 0}.get(ones, ones)


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


# --- Ogg ---------------------------------------------------------------------------------------------------------


def ogg_runs(file: BinaryIO, place: ByteSpan) -> bool:
    """Return whether all pages are there, and sampled ones are intact and of one stream with increasing times (RFC 3533
    §6). False for chained, concatenated, truncated and damaged files."""
    file.seek(place.start)
    serials, times = {struct.unpack("<I", file.read(28)[14:18].ljust(4))[0]}, []
    blocks = list(_blocks(file, place, 2 * _PAGE))
    for number, block in enumerate(blocks, 1):
        for match in islice(_OGG_PAGE.finditer(block), _PAGES if number < len(blocks) else None):
            page = _ogg_page(block, match.start())
            if page is not None:
                time, serial = struct.unpack_from("<qI", page, 6)
                serials.add(serial)
                times += [time] if time > 0 else []
                if not _ogg_checked(page):
                    return False
    ordered = len(serials) == 1 and all(before <= after for before, after in pairwise(times))
    return ordered and _ogg_numbered(file, place)


def _ogg_numbered(file: BinaryIO, place: ByteSpan) -> bool:
    """Return whether each page follows the one before it, by position and number, up to the end of the file."""
    at, next_number = place.start, None
    for _ in range(_MOST):
        if at >= place.end:
            break
        file.seek(at)
        head = file.read(_LACED)
        if not head.startswith(b"OggS") or len(head) < 27:
            return False
        number, sizes = struct.unpack_from("<I4xB", head, 18)
        if next_number not in (None, number):
            return False
        at, next_number = at + 27 + sizes + sum(head[27 : 27 + sizes]), (number + 1) & 0xFFFFFFFF
    return at == place.end


def ogg_time(page: bytes) -> int:
    """Return the position, in samples, of the end of a page, from its header; 0 if no packet ends on it."""
    return max(0, struct.unpack_from("<q", page, 6)[0]) if page.startswith(b"OggS") and len(page) >= 14 else 0


def _ogg_page(block: bytes, at: int) -> bytes | None:
    """Return the page at this offset, None if the block does not contain all of it."""
    if len(block) < at + 27 or len(block) < at + 27 + block[at + 26]:
        return None
    end = at + 27 + block[at + 26] + sum(block[at + 27 : at + 27 + block[at + 26]])
    return block[at:end] if end <= len(block) else None


def _ogg_checked(page: bytes) -> bool:
    """Return whether the checksum is correct: Ogg's is zlib's with the bits of each byte and of the sum reversed."""
    turned = (page[:22] + bytes(4) + page[26:]).translate(_TURNED)
    crc = zlib.crc32(turned, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return bytes(page[22:26]) == crc.to_bytes(4, "little").translate(_TURNED)[::-1]


# --- Matroska ----------------------------------------------------------------------------------------------------


def segment_fits(file: BinaryIO, place: ByteSpan) -> bool | None:
    """Return whether Matroska's segment ends at the end of the file; None if its size is unknown."""
    end = segment_end(file, place)
    return None if end is None else end == place.end


def segment_end(file: BinaryIO, place: ByteSpan) -> int | None:
    """Return the offset at which Matroska's segment ends (RFC 8794 §6.2): 0 if there is none, None if it is unknown."""
    file.seek(place.start)
    head = io.BytesIO(file.read(4096))
    at = 0
    for name in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"):
        head.seek(at)
        first = head.read(5)
        if first[:4] != name or len(first) < 5 or not first[4]:
            return 0
        width = 9 - first[4].bit_length()
        size = int.from_bytes(bytes([first[4] & (0xFF >> width)]) + head.read(width - 1), "big")
        if size == (1 << 7 * width) - 1:
            return None
        at += 4 + width + size
    return place.start + at


# --- AVI and ASF -------------------------------------------------------------------------------------------------


def avi_fits(file: BinaryIO, place: ByteSpan) -> bool:
    """Return whether the file ends at the end of its last RIFF chunk; there is one per gigabyte. In the first one, each
    chunk of audio and video has to follow the one before it."""
    at = place.start
    while at < place.end:
        file.seek(at)
        head = file.read(8).ljust(8, b"\0")
        if not head.startswith(b"RIFF"):
            return False
        at += 8 + struct.unpack_from("<I", head, 4)[0]
    return at == place.end and _avi_runs(file, place)


def _avi_runs(file: BinaryIO, place: ByteSpan) -> bool:
    file.seek(place.start)
    head = file.read(_PAGE)
    movie = head.find(b"movi")
    if movie < 4:
        return False
    at, end = place.start + movie + 4, place.start + movie + int.from_bytes(head[movie - 4 : movie], "little")
    for _ in range(_MOST):
        if at >= end:
            break
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8).ljust(8, b"\0"))
        if not name.isalnum():
            return False
        at += 12 if name == b"LIST" else 8 + length + length % 2
    return end <= at <= end + 1


def avi_hollow(file: BinaryIO, place: ByteSpan) -> bool:
    """Return whether part of the audio and video is zeros; the header may contain padding."""
    file.seek(place.start)
    begin = file.read(_PAGE).find(b"movi")
    return sniff.hollow(file, place.start + max(0, begin), place.end)


def avi_seconds(head: bytes) -> float:
    """Return the duration in the audio track's header (AVISTREAMHEADER); 0 if a non-seekable output left it unset."""
    at = head.find(b"auds")
    if at < 0 or len(head) < at + 36:
        return 0.0
    scale, rate, _, length = struct.unpack_from("<IIII", head, at + 20)
    return length * scale / rate if rate and length < 1 << 30 else 0.0


def asf_seconds(head: bytes) -> float:
    """Return the play duration without the preroll (ASF specification §3.2); 0 for a broadcast, which states none."""
    at = head.find(b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65")
    if at < 0 or len(head) < at + 92:
        return 0.0
    played, _, preroll, flags = struct.unpack_from("<QQQI", head, at + 64)
    return 0.0 if flags & 1 else max(0.0, played / 1e7 - preroll / 1e3)


# --- DSF ---------------------------------------------------------------------------------------------------------


def dsf_seconds(head: bytes) -> float:
    """Return the duration that the header states (DSF File Format Specification, fmt chunk)."""
    rate, samples = struct.unpack_from("<I4xQ", head, 56) if len(head) >= 72 else (0, 0)
    return samples / rate if rate else 0.0
