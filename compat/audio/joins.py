"""Detection of concatenated files: chained Ogg, `cat a.wav b.wav`, and MPEG transport streams that change programme.

FFmpeg reads only the first part of most of them, or decodes later parts as more of the same audio.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from compat.audio import sniff
from compat.audio.sniff import ByteSpan, Container, container_of

_BLOCK = 1 << 20  # bytes read at a time
_LACED = 27 + 255  # bytes of the longest Ogg page header
_LINK = re.compile(rb"OggS\0[\2\6].{20}(.)", re.DOTALL)
_CHUNKS = 10_000  # maximum number of chunks or boxes examined
NEAR = 65_536  # bytes after the end of a file in which the next one is looked for
_LONGEST = 128  # length of the longest signature, in bytes
_MATROSKA = re.compile(rb"\x1a\x45\xdf\xa3.{1,72}?\x42\x82.{1,8}?(?:webm|matroska)", re.DOTALL)
_SIGNATURES: dict[Container | None, re.Pattern[bytes]] = {
    sniff.WMA: re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c"),
    sniff.FLV: re.compile(rb"FLV\x01[\1\4\5]\0\0\0\x09\0\0\0\0"),
    sniff.CAF: re.compile(rb"caff\0\x01\0\0desc"),
    sniff.W64: re.compile(rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"),
    sniff.FLAC: re.compile(rb"fLaC[\0\x80]\0\0\x22.{4}\0", re.DOTALL),
    sniff.AU: re.compile(rb"\.snd\0\0[\0-\x0f].{5}\0\0\0[\1-\x1b]", re.DOTALL),
    sniff.AVI: re.compile(rb"RIFF.{4}AVI LIST.{4}hdrl", re.DOTALL),
    sniff.WEBM: _MATROSKA,
    sniff.MKV: _MATROSKA,
}
_CHUNKED = {
    sniff.WAV: re.compile(rb"(?:RIFF|RIFX|RF64|BW64).{4}WAVE", re.DOTALL),
    sniff.AIFF: re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL),
} | dict.fromkeys((sniff.M4A, sniff.MP4, sniff.MOV), re.compile(rb"\0\0[\0-\2].ftyp", re.DOTALL))
# MPEG stream types of audio; 6 is also used for others
_AUDIO = {0x03, 0x04, 0x06, 0x0F, 0x11, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87}
_TABLE = 64  # packets after a list of programmes (PAT) in which their tables (PMT) are looked for


def links(file: BinaryIO, place: ByteSpan) -> Iterator[int]:
    """Yield the offsets of the links of a chained Ogg file. A link begins with one page for each of its streams (RFC
    3533 §4)."""
    at, behind = place.start, -1
    while at < place.end:
        file.seek(at)
        block = file.read(min(_BLOCK, place.end - at))
        whole = len(block) if at + len(block) >= place.end else len(block) - _LACED
        for match in _LINK.finditer(block):
            if match.start() >= whole:
                break
            begin = at + match.start()
            if begin != behind:
                yield begin
            behind = begin + 27 + match[1][0] + sum(block[match.end() : match.end() + match[1][0]])
        at += whole


def joined(file: BinaryIO, place: ByteSpan, *, near: bool = False) -> Iterator[int]:
    """Yield the offsets of concatenated files, including the first; none for containers that FFmpeg reads whole.

    With `near`, a WAV that begins before the stated end of the previous one, which was cut, is not looked for.
    """
    file.seek(place.start)
    head = file.read(1024)
    kind = container_of(head)
    if kind in _SIGNATURES:
        yield from _from_signatures(file, place, _SIGNATURES[kind])
    elif kind in _CHUNKED:
        yield from _from_chunks(file, place, kind, near=near)
    elif stride := _stride(head):
        yield from _programmes(file, place, stride)


def _from_signatures(file: BinaryIO, place: ByteSpan, signature: re.Pattern[bytes]) -> Iterator[int]:
    at = place.start
    while at < place.end:
        file.seek(at)
        block = file.read(min(_BLOCK + _LONGEST, place.end - at))
        yield from (at + match.start() for match in signature.finditer(block) if match.start() < _BLOCK)
        at += _BLOCK


def _from_chunks(file: BinaryIO, place: ByteSpan, kind: Container, *, near: bool) -> Iterator[int]:
    """Yield the offsets of files that consist of chunks or boxes. Each file begins near the end of the previous one, or
    before it if the previous one was cut: then bytes are left over."""
    at: int | None = place.start
    for _ in range(_CHUNKS):
        if at is None or at >= place.end:
            return
        yield at
        behind = _end_of_wave(file, at, place.end) if kind is sniff.WAV else _end_of(file, at, place.end, kind)
        file.seek(behind)
        match = _CHUNKED[kind].search(file.read(min(NEAR, max(0, place.end - behind))))
        if match is None and not near and place.end - behind > NEAR:
            at = _next(file, at + _LONGEST, place.end, kind)
        else:
            at = behind + match.start() if match else None


def _next(file: BinaryIO, at: int, end: int, kind: Container) -> int | None:
    """Return the offset of the first file of this kind between two offsets."""
    return next(_from_signatures(file, ByteSpan(at, end), _CHUNKED[kind]), None)


def _end_of(file: BinaryIO, at: int, end: int, kind: Container) -> int:
    """Return the end of an AIFF, from its size, or of an MP4, from the sizes of its boxes."""
    if kind is sniff.AIFF:
        file.seek(at)
        length = int.from_bytes(file.read(8)[4:], "big")
        return at + 8 + length
    for number in range(_CHUNKS):
        file.seek(at)
        head = file.read(16)
        if at >= end or len(head) < 8 or not head[4:8].isalnum() or (number and head[4:8] == b"ftyp"):
            return at
        length = int.from_bytes(head[:4], "big")
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        if length < 8 or at + length > end:
            return at if length else end
        at += length
    return end


def _end_of_wave(file: BinaryIO, at: int, end: int) -> int:
    """Return the end of a WAV, from the sizes of its chunks, or from its RIFF size if the samples have no size."""
    file.seek(at)
    head = file.read(12)
    order = "big" if head.startswith(b"RIFX") else "little"
    whole, long_size = at + 8 + int.from_bytes(head[4:8], order), 0  # type: ignore[arg-type]
    at += 12
    for _ in range(_CHUNKS):
        file.seek(at)
        head = file.read(28)
        name, length = head[:4], int.from_bytes(head[4:8], order)  # type: ignore[arg-type]
        if name == b"ds64" and len(head) == 28:
            long_size = int.from_bytes(head[16:24], "little")
            whole = at - 4 + int.from_bytes(head[8:16], "little")
        if name == b"data":
            length = long_size or length
            if not length or at + 8 + length > end:
                return min(whole, end)
        if not (len(head) >= 8 and name.isascii() and name.decode().isprintable()) or at + 8 + length > end:
            return at
        if name in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
            return at
        at += 8 + length
        file.seek(at)
        at += length % 2 if file.read(1) == b"\0" else 0
    return end


# --- MPEG transport streams (ISO/IEC 13818-1 §2.4) ---------------------------------------------------------------


class _Stride(NamedTuple):
    """The distance between packets, in bytes, and the offset of the sync byte."""

    size: int
    sync: int


def _stride(head: bytes) -> _Stride | None:
    for size, sync in ((188, 0), (192, 4), (204, 0)):
        if len(head) > 3 * size + sync and all(head[sync + number * size] == 0x47 for number in range(4)):
            return _Stride(size, sync)
    return None


def _programmes(file: BinaryIO, place: ByteSpan, stride: _Stride) -> Iterator[int]:
    """Yield the offset of each part that has no audio stream in common with the previous part."""
    yield place.start
    known: set[tuple[int, int]] = set()
    at, step = place.start, _BLOCK // stride.size * stride.size
    while at < place.end:
        file.seek(at)
        block = file.read(min(step + _TABLE * stride.size, place.end - at))
        for begin in _packets(block, 0, stride):
            if begin >= step:
                break
            tables = _tables(block[begin : begin + _TABLE * stride.size], stride)
            if tables and known and not tables & known:
                yield at + begin
            known = tables or known
        at += step


def _packets(block: bytes, pid: int, stride: _Stride) -> Iterator[int]:
    """Yield the offset of each packet of stream `pid` in which a unit, such as a table, begins."""
    mark, at = bytes([0x47, 0x40 | pid >> 8, pid & 255]), -1
    while (at := block.find(mark, at + 1)) >= 0:
        if (at - stride.sync) % stride.size == 0:
            yield at - stride.sync


def _tables(block: bytes, stride: _Stride) -> set[tuple[int, int]]:
    """Return the number and type of each audio stream in the programme tables at the beginning of a block."""
    listed = _section(block, 0, stride)
    pids = [int.from_bytes(listed[at + 2 : at + 4], "big") & 0x1FFF for at in range(8, len(listed) - 3, 4)]
    streams = set()
    for pid in pids:
        table = _section(block, next(_packets(block, pid, stride), len(block)), stride)
        at = 12 + (int.from_bytes(table[10:12], "big") & 0xFFF)
        while at + 5 <= len(table):
            kind, number, length = struct.unpack_from(">BHH", table, at)
            streams |= {(number & 0x1FFF, kind)} if kind in _AUDIO else set()
            at += 5 + (length & 0xFFF)
    return streams


def _section(block: bytes, at: int, stride: _Stride) -> bytes:
    """Return the table that begins in the packet at `at`, without its checksum; empty if it is incomplete."""
    packet = block[at + stride.sync : at + stride.sync + 188]
    if len(packet) < 188 or not packet[3] & 0x10:
        return b""
    begin = 5 + packet[4] if packet[3] & 0x20 else 4
    begin += 1 + packet[begin] if begin < 188 else 0
    length = int.from_bytes(packet[begin + 1 : begin + 3], "big") & 0xFFF
    return packet[begin : begin + 3 + length - 4] if 4 <= length and begin + 3 + length <= 188 else b""
