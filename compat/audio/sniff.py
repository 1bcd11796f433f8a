"""Detection of a file's container, and of the tags before and after it, from its bytes."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO, NamedTuple


class Container(NamedTuple):
    """`name` and `mime` are those of DashScope's data URIs; `suffix` includes the dot."""

    name: str
    mime: str
    suffix: str


WAV = Container("wav", "audio/wav", ".wav")
MP3 = Container("mp3", "audio/mpeg", ".mp3")
FLAC = Container("flac", "audio/flac", ".flac")
OGG = Container("ogg", "audio/ogg", ".ogg")
M4A = Container("m4a", "audio/mp4", ".m4a")
MP4 = Container("mp4", "video/mp4", ".mp4")
MOV = Container("mov", "video/quicktime", ".mov")
WEBM = Container("webm", "audio/webm", ".webm")
MKV = Container("mkv", "video/x-matroska", ".mkv")
AAC = Container("aac", "audio/aac", ".aac")
AMR = Container("amr", "audio/amr", ".amr")
WMA = Container("wma", "audio/x-ms-wma", ".wma")
AVI = Container("avi", "video/x-msvideo", ".avi")
FLV = Container("flv", "video/x-flv", ".flv")
MPEG = Container("mpeg", "video/mpeg", ".mpeg")
AIFF = Container("aiff", "audio/aiff", ".aiff")
AU = Container("au", "audio/basic", ".au")
CAF = Container("caf", "audio/x-caf", ".caf")
W64 = Container("w64", "audio/x-w64", ".w64")

_MAGIC = (
    (b"fLaC", FLAC),
    (b"OggS", OGG),
    (b"#!AMR", AMR),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", WMA),
    (b"FLV\x01", FLV),
    (b"caff", CAF),
    (b".snd", AU),
    (b"riff\x2e\x91\xcf\x11", W64),
    (b"\x00\x00\x01\xba", MPEG),
    (b"\x00\x00\x01\xb3", MPEG),
)
_RIFF = {b"WAVE": WAV, b"AVI ": AVI, b"AIFF": AIFF, b"AIFC": AIFF}
_BRANDS = {b"M4A ": M4A, b"M4B ": M4A, b"qt  ": MOV}
_DEMUXERS = {
    "amrnb": AMR, "amrwb": AMR, "asf": WMA, "loas": Container("latm", "audio/aac", ".latm"), "mpegts": MPEG,
} | {each.name: each for each in (WAV, MP3, FLAC, OGG, AAC, AMR, AVI, FLV, MPEG, AIFF, AU, CAF, W64)}  # fmt: skip
# Signatures long enough (about six bytes) not to match junk by chance.
_BURIED = re.compile(
    rb"(?:RIFF|RIFX|RF64|BW64).{4}WAVE|RIFF.{4}AVI |FORM.{4}AIF[FC]|fLaC[\0\x80]\0\0\x22|OggS\0\x02|\0\0.{2}ftyp"
    rb"|\x1a\x45\xdf\xa3|caff\0\x01|\.snd\0\0|#!AMR|\x30\x26\xb2\x75\x8e\x66\xcf\x11|FLV\x01|riff\x2e\x91\xcf\x11"
    rb"|TTA1|wvpk.{5}\x04|MAC ",
    re.DOTALL,
)
_FAR = 1 << 20  # bytes searched for a container after junk, and bytes of one block
_TAGS = 16  # tags before or after the audio, at most
_HOLLOW = 512  # bytes of a sample that is searched for zeros
_HOLES = 128  # samples, evenly spread
_LONGEST = 4096  # bytes before the end searched for the start of a tag


def container_of(head: bytes) -> Container | None:
    """Return the container that starts with `head` (64 bytes suffice), None if unknown."""
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"):
        return _RIFF.get(head[8:12])
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _BRANDS.get(head[8:12], MP4) if head[4:8] == b"ftyp" else MOV
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in head[:64] else MKV
    if head[:1] == b"\x47" and head[188:189] in (b"\x47", b""):
        return MPEG
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return _mpeg_audio(head)
    return next((container for magic, container in _MAGIC if head.startswith(magic)), None)


def _mpeg_audio(head: bytes) -> Container | None:
    """Distinguish MP3 from ADTS. Both begin with the same eleven bits; ADTS has layer 0, reserved in MPEG audio."""
    if head[1] & 0xF6 == 0xF0:
        return AAC
    valid = head[1] & 0x06 and head[1] & 0x18 != 0x08 and head[2] >> 4 not in (0, 15) and head[2] & 0x0C != 0x0C
    return MP3 if valid else None


def demuxed(name: str, head: bytes) -> Container:
    """Return the container of FFmpeg's demuxer `name`; `head` distinguishes the variants of MP4 and Matroska."""
    known = container_of(head)
    if name.startswith("mov,"):
        return known if known in (M4A, MP4, MOV) else MP4
    if name.startswith("matroska"):
        return known if known in (WEBM, MKV) else MKV
    return _DEMUXERS.get(name, Container(name, f"audio/{name}", f".{name}"))


class ByteSpan(NamedTuple):
    """The bytes of a file from `start` to `end`, without ID3v2, ID3v1, APEv2 and Lyrics3 tags.

    `usual` tells whether all tags are where every decoder expects them: at most ID3v2 before and ID3v1 after MP3 or
    ADTS.
    """

    start: int
    end: int
    usual: bool = True


def span(file: BinaryIO, size: int) -> ByteSpan:
    """Return the span between the tags of an open file of `size` bytes."""
    start, plain = _behind_tags(file, size)
    end, ape = _before_tags(file, start, size)
    file.seek(start)
    tagged = (start, end) != (0, size)
    usual = not tagged or (plain and not ape and container_of(file.read(64)) in (MP3, AAC))
    return ByteSpan(start, end, usual)


def tag_size(head: bytes) -> int:
    """Return the length of the ID3v2 tag at the start of `head`, including its footer; 0 if there is none."""
    if not head.startswith(b"ID3") or len(head) < 10:
        return 0
    return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + (10 if head[5] & 0x10 else 0)


def _behind_tags(file: BinaryIO, size: int) -> tuple[int, bool]:
    """Return where the leading tags and their padding end, and whether none of them has a footer."""
    start, plain = 0, True
    for _ in range(_TAGS):
        file.seek(start)
        head = file.read(4096)
        length = tag_size(head)
        if start:
            start += _zeros(head)
        if not length or start + length >= size:
            break
        start, plain = start + length, plain and not head[5] & 0x10
    return start, plain


def _zeros(head: bytes) -> int:
    """Return the number of padding zeros after a tag, excluding those of the size of an MP4's first box."""
    zeros = len(head) - len(head.lstrip(b"\0"))
    box = head.find(b"ftyp", 4, zeros + 8)
    return zeros if box < 0 else box - 4


def _before_tags(file: BinaryIO, start: int, end: int) -> tuple[int, bool]:
    """Return where the trailing tags begin, and whether any of them is not ID3v1."""
    other = False
    for _ in range(_TAGS):
        file.seek(max(start, end - _LONGEST))
        tail = file.read(min(_LONGEST, end - start))
        length = _tag_at_end(tail)
        if not length or end - length <= start:
            break
        other, end = other or not tail[-length:].startswith(b"TAG"), end - length
    return end, other


def _tag_at_end(tail: bytes) -> int:
    if tail[-128:-125] == b"TAG":
        return 128
    if tail[-32:-24] == b"APETAGEX":
        return _ape_at_end(tail)
    if tail[-10:-7] == b"3DI":
        return tag_size(b"ID3" + tail[-7:])
    if tail.endswith(b"LYRICS200") and tail[-15:-9].isdigit():
        return int(tail[-15:-9]) + 15
    return 0


def _ape_at_end(tail: bytes) -> int:
    """Return the length of the APEv2 tag: the stated one, unless the tag's header is at another place."""
    length, _, flags = struct.unpack_from("<III", tail, len(tail) - 20)
    if not flags & 0x80000000:
        return int(length)
    length += 32
    if length > len(tail) or tail[-length:].startswith(b"APETAGEX"):
        return int(length)
    begin = tail.rfind(b"APETAGEX", 0, len(tail) - 32)
    return len(tail) - begin if begin >= 0 else 32


def hollow(file: BinaryIO, start: int, end: int) -> bool:
    """Return whether one of many samples of encoded audio is all zeros, as in an incomplete download into preallocated
    space. Encoded audio has no zeros in a row."""
    size = max(0, end - start - _HOLLOW)
    return any(zeros(file, start + size * number // _HOLES, end) for number in range(_HOLES, -1, -1))


def zeros(file: BinaryIO, start: int, end: int) -> bool:
    """Return whether the file is all zeros from an offset on, for the length of a sample."""
    file.seek(start)
    return not file.read(min(_HOLLOW, end - start)).strip(b"\0")


def buried(file: BinaryIO, start: int, end: int) -> int | None:
    """Return the offset of a container after at most 1 MiB of junk; None if none is found."""
    file.seek(start)
    match = _BURIED.search(file.read(min(_FAR, end - start)))
    return None if match is None else start + match.start()


def sniff(file: BinaryIO, size: int) -> tuple[Container | None, ByteSpan]:
    """Return the container of an open file, None if unknown, and the span between its tags."""
    place = span(file, size)
    file.seek(place.start)
    return container_of(file.read(512)), place
