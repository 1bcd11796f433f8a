"""Headers of uncompressed audio, including incorrect ones: streaming recorders, for example, never fill in the sizes.

- WAV as RIFF, RIFX (big-endian), RF64 and BW64 (EBU Tech 3306): only the position and width of the samples are trusted.
- AIFF and Sony's W64 with a missing or wrong size, at which FFmpeg would stop reading.
- AIFF and CAF with samples that FFmpeg reads with too small a width.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, Literal, NamedTuple

from compat.audio.sniff import tag_size

_EXTENSIBLE = 0xFFFE
_CODINGS = {
    (1, 8): "u8", (1, 16): "s16", (1, 24): "s24", (1, 32): "s32", (3, 32): "f32", (3, 64): "f64", (6, 8): "alaw",
    (7, 8): "mulaw",
}  # fmt: skip
_ENDLESS = {"u8", "alaw", "mulaw"}  # samples of one byte have no byte order
_USUAL = {"u8", "s16", "s24", "s32", "f32", "alaw", "mulaw"}
_PLACEHOLDER = 1_000_000_000  # bytes: a size this large, and beyond the file's own, means "unknown"
_ABSURD = 100  # times the bytes present: also means "unknown"
_CHUNKS = 64  # more than any valid file has before or after its samples
_AIFF_LAST = 1 << 31  # frames; from this count on, FFmpeg treats an AIFF as empty
_AIFF_CODINGS = {
    b"twos": "s{}be", b"NONE": "s{}be", b"sowt": "s{}le", b"fl32": "f32be", b"FL32": "f32be", b"fl64": "f64be",
    b"FL64": "f64be", b"ulaw": "mulaw", b"ULAW": "mulaw", b"alaw": "alaw", b"ALAW": "alaw", b"raw ": "u8",
}  # fmt: skip
_AIFF_WIDTHS = {"mulaw": 1, "alaw": 1, "u8": 1, "f32be": 4, "f64be": 8}


class Wave(NamedTuple):
    """A parsed header. `coding` is the name of FFmpeg's raw demuxer, None for compressed audio, whose duration only a
    decoder can tell.

    `present` bytes of audio begin at offset `data`. `stated` is the header's byte count, None if unknown. `mask` gives
    the channels' positions, 0 if unknown. `exact` means that all of the header is correct. `parts` holds the start and
    end of each chunk of samples, if there are several.
    """

    coding: str | None
    rate: int
    channels: int
    block: int
    data: int
    present: int
    stated: int | None
    mask: int = 0
    exact: bool = True
    parts: tuple[tuple[int, int], ...] = ()

    @property
    def duration(self) -> float:
        return self.present // self.block / self.rate

    @property
    def promised(self) -> float:
        """The stated duration in seconds; 0 if unknown or compressed."""
        return (self.stated or 0) // self.block / self.rate if self.coding else 0.0


class _Form(NamedTuple):
    coding: str | None
    rate: int
    channels: int
    block: int
    mask: int
    exact: bool


def placeholder(stated: int, available: int) -> bool:
    """Return whether a stated size is a placeholder for an unknown one, given the bytes present."""
    return stated > available and (stated >= _PLACEHOLDER or stated > _ABSURD * available)


def wave(file: BinaryIO, start: int, end: int) -> Wave | None:
    """Parse the header of the WAV file between two offsets; None if it has no `data` chunk or no valid format."""
    file.seek(start)
    head = file.read(12)
    order: Literal["<", ">"] = ">" if head.startswith(b"RIFX") else "<"
    over = start + 8 + struct.unpack_from(f"{order}I", head.ljust(12), 4)[0]
    shape, long_size, padded = b"", None, True
    for _ in range(_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return None
        name, length = struct.unpack(f"{order}4sI", head)
        if name == b"data":
            parsed = form(shape, order, padded=padded)
            return parsed and _wave(file, parsed, length if long_size is None else long_size, over, end, order)
        body = file.read(min(length, 40)) if name in (b"fmt ", b"ds64") else b""
        padded = padded and not (shape and name == b"ds64")  # FFmpeg expects ds64 before fmt
        shape = body if name == b"fmt " else shape
        if name == b"ds64" and len(body) >= 16:
            whole, long_size = struct.unpack_from("<QQ", body)
            over = start + 8 + whole
        file.seek(length - len(body), io.SEEK_CUR)
        padded = _step_over_padding(file, length) and padded
    return None


def _step_over_padding(file: BinaryIO, length: int) -> bool:
    """Step over the padding byte of a chunk of odd length; return False if the writer omitted it."""
    padded = not length % 2 or file.read(1) in (b"\0", b"")
    if not padded:
        file.seek(-1, io.SEEK_CUR)
    return padded


def form(chunk: bytes, order: Literal["<", ">"], *, padded: bool) -> _Form | None:
    """Parse a `fmt ` chunk; None if invalid.

    The width of the samples comes from the bits per sample, because nBlockAlign is often wrong. The header is not exact
    if fewer bits are valid, because FFmpeg and other decoders use their number as the width.
    """
    if len(chunk) < 16:
        return None
    tag, channels, rate, pace, block, bits = struct.unpack_from(f"{order}HHIIHH", chunk)
    mask, valid = 0, bits
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        valid, mask, tag = struct.unpack_from(f"{order}HIH", chunk, 18)
    if not (rate and channels):
        return None
    width = (8 if tag in (6, 7) else bits) + 7 >> 3
    floats = (tag, bits, block) == (1, 24, 4 * channels)  # Cool Edit's float format, which FFmpeg recognises
    coding = None if floats and valid == bits else _CODINGS.get((tag, 8 * width))
    exact = (block, pace) == (channels * width, rate * channels * width) and order == "<"
    exact = exact and padded and valid == bits and coding in _USUAL
    if coding and coding not in _ENDLESS:
        coding += "be" if order == ">" else "le"
    mask = mask if mask.bit_count() == channels else 0
    return _Form(coding, rate, channels, channels * width if coding else 1, mask, exact)


def _wave(file: BinaryIO, form: _Form, stated: int, over: int, end: int, order: Literal["<", ">"]) -> Wave:
    """Return the header. `over` is the end of the file according to its RIFF size."""
    data = file.tell()
    available = max(0, end - data)
    known: int | None = stated
    if form.coding and 0 < stated < available:
        parts = _parts(file, form.block, data, stated, end, order)
        present = sum(last - first for first, last in parts)
        if len(parts) > 1:
            return Wave(
                form.coding, form.rate, form.channels, form.block, data, present, present, form.mask,
                exact=False, parts=parts,
            )  # fmt: skip
    follows = _behind(file, data, stated, end) if stated < available else "nothing"
    if follows == "sound" and stated and over - data - stated in (0, 1):
        follows = "tag"  # both sizes agree on the end of the audio
    if stated > available:
        known = None if placeholder(stated, max(available, form.block)) else stated
    elif follows == "sound" or (available and not stated and follows != "chunks"):
        known = None
    return Wave(
        form.coding, form.rate, form.channels, form.block, data,
        available if known is None else min(known, available), known, form.mask,
        exact=form.exact and known is not None and known <= available and follows in ("nothing", "chunks"),
    )  # fmt: skip


def _parts(
    file: BinaryIO, block: int, data: int, stated: int, end: int, order: Literal["<", ">"]
) -> tuple[tuple[int, int], ...]:
    """Return the start and end of the samples in each `data` chunk; whole samples only."""
    parts, at, length = [(data, data + stated - stated % block)], data, stated
    for _ in range(_CHUNKS):
        file.seek(at + length)
        _step_over_padding(file, length)
        head, at = file.read(8), file.tell()
        if len(head) < 8 or at >= end or not head[:4].strip().isalnum():
            break
        name, length = struct.unpack(f"{order}4sI", head)
        available = min(length, end - at)
        if name == b"data" and available >= block:
            parts.append((at, at + available - available % block))
    return tuple(parts)


def _behind(file: BinaryIO, data: int, stated: int, end: int) -> Literal["nothing", "chunks", "tag", "sound"]:
    """Return the kind of data that follows the samples."""
    file.seek(data + stated)
    _step_over_padding(file, stated)
    at = file.tell()
    for number in range(_CHUNKS):
        if end - at < 8:
            return "nothing" if number == 0 else "chunks"
        file.seek(at)
        head = file.read(10)
        name, length = struct.unpack_from("<4sI", head)
        chunk = name.isascii() and name.decode("ascii").isprintable() and length <= end - at - 8
        if tag_size(head) or head.startswith((b"APETAGEX", b"RIFF", b"RIFX", b"RF64", b"BW64", b"data")):
            return "tag"
        if not chunk:
            return "sound" if number == 0 else "tag"
        at += 8 + length + length % 2
    return "tag"


def aiff(file: BinaryIO, start: int, end: int) -> Wave | None:
    """Return the header of an AIFF that FFmpeg would misread, else None.

    It has no valid sizes, so that its audio extends to the end of the file, or little-endian samples of more than 16
    bits.
    """
    file.seek(start)
    whole, common = int.from_bytes(file.read(12)[4:8], "big"), b""
    for _ in range(_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return None
        name, length = struct.unpack(">4sI", head)
        if name == b"SSND":
            open_ended = not whole or length <= 8 or placeholder(length, end - file.tell())
            open_ended = open_ended or int.from_bytes(common[2:6], "big") >= _AIFF_LAST
            wide = common[18:22] == b"sowt" and int.from_bytes(common[6:8], "big") > 16
            end = end if open_ended else min(end, file.tell() + length)
            skipped = int.from_bytes(file.read(8)[:4], "big")
            return _aiff(common, file.tell() + skipped, end) if open_ended or wide else None
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
    coding = (
        _AIFF_CODINGS.get(common[18:22] or b"NONE", "").format(8 * width).replace("s8be", "s8").replace("s8le", "s8")
    )
    rate = round(mantissa * 2.0 ** (min(exponent, 16_446) - 16_446))
    block = channels * _AIFF_WIDTHS.get(coding, width)
    if not (coding and block and rate):
        return None
    available = max(0, end - data)
    return Wave(coding, rate, channels, block, data, available - available % block, None, exact=False)


class _Caf(NamedTuple):
    """The description of a CAF's samples, and the offset and size of its `data` chunk's content; the size is negative
    if unknown."""

    shape: bytes
    data: int
    length: int


def _caf(file: BinaryIO, start: int) -> _Caf | None:
    at, shape = start + 8, b""
    for _ in range(_CHUNKS):
        file.seek(at)
        head = file.read(12)
        if len(head) < 12:
            return None
        name, length = struct.unpack(">4sq", head)
        if name == b"desc":
            shape = file.read(32)
        if name == b"data":
            return _Caf(shape, at + 12, length) if len(shape) == 32 else None
        at += 12 + max(0, length)
    return None


def caf_seconds(file: BinaryIO, start: int) -> float:
    """Return the duration that the header of a CAF with PCM states, 0 if none."""
    header = _caf(file, start)
    if header is None:
        return 0.0
    rate, _, _, packet, frames = struct.unpack_from(">d4sIII", header.shape)
    samples = (header.length - 4) // packet if packet and frames == 1 else 0
    return max(0, samples) / rate if 1 <= rate < 1 << 31 else 0.0


def caf(file: BinaryIO, start: int, end: int) -> Wave | None:
    """Return the header of a CAF with PCM samples in wider containers, else None.

    See Apple Core Audio Format, Audio Description chunk.
    """
    header = _caf(file, start)
    if header is None:
        return None
    rate, kind, flags, packet, frames, channels, bits = struct.unpack(">d4sIIIII", header.shape)
    width = packet // channels if channels else 0
    coding = _CODINGS.get((3 if flags & 1 else 1, 8 * width))
    if (
        kind != b"lpcm"
        or frames != 1
        or not bits
        or coding is None
        or width <= (bits + 7) // 8
        or not 1 <= rate < 1 << 31
    ):
        return None
    data, order = header.data + 4, "le" if flags & 2 else "be"
    available = max(0, (end if header.length < 0 else min(end, header.data + header.length)) - data)
    return Wave(coding + order, int(rate), channels, packet, data, available - available % packet, None, exact=False)


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
    available, stated = max(0, end - at - 24), length - 24
    known = None if stated <= 0 or placeholder(stated, max(available, shape.block)) else stated
    exact = shape.exact and known is not None and 0 <= available - known < 8
    present = available if known is None else min(known, available)
    return Wave(shape.coding, shape.rate, shape.channels, shape.block, at + 24, present, known, shape.mask, exact=exact)
