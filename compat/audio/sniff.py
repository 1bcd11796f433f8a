"""What container a file is, by its bytes: name, MIME type and suffix, in the words that DashScope's data URIs use."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple


class Container(NamedTuple):
    name: str
    mime: str
    suffix: str


WAV = Container("wav", "audio/wav", ".wav")
WAV_STREAMED = Container("wav-streamed", "audio/wav", ".wav")
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


def container_of(head: bytes) -> Container | None:
    """Name the container from the file's first bytes (64 are enough), None when they are no known container's."""
    if head[:4] in (b"RIFF", b"RF64", b"BW64", b"FORM"):
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
    """MP3 and ADTS begin with the same eleven bits; ADTS has layer 0, which MPEG audio reserves."""
    if head[1] & 0xF6 == 0xF0:
        return AAC
    valid = head[1] & 0x06 and head[1] & 0x18 != 0x08 and head[2] >> 4 not in (0, 15) and head[2] & 0x0C != 0x0C
    return MP3 if valid else None


def sniff(file: BinaryIO) -> tuple[Container | None, int]:
    """Name the container of an open file and where it begins, behind any ID3 tag and the zeros that may follow it."""
    file.seek(0)
    head = file.read(512)
    start = 0
    while head.startswith(b"ID3") and len(head) >= 10:
        start += 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
        file.seek(start)
        head = file.read(4096)
        zeros = len(head) - len(head.lstrip(b"\0"))
        start, head = start + zeros, head[zeros:]
    return container_of(head), start
