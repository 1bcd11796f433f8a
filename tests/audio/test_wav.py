"""WAV headers, correct and wrong."""

from __future__ import annotations

import io
import struct

import pytest

from compat.audio.wav import Wave, wave

PCM = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 8000, 32_000, 4, 16)
EXTENSIBLE = struct.pack("<4sIHHIIHHHHIH14s", b"fmt ", 40, 0xFFFE, 2, 8000, 32_000, 4, 16, 22, 16, 3, 1, bytes(14))
WRONG_BLOCK = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 8000, 32_000, 8, 16)
NO_BLOCK = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 8000, 32_000, 0, 16)
DS64 = struct.pack("<4sIQQQI", b"ds64", 28, 0, 64, 0, 0)
LIST = b"LIST\x05\0\0\0abcde\0"
UNPADDED = LIST[:-1]


def read(*chunks: bytes) -> Wave | None:
    data = b"RIFF\0\0\0\0WAVE" + b"".join(chunks)
    return wave(io.BytesIO(data), 0, len(data))


def samples(stated: int, there: int = 64) -> bytes:
    return struct.pack("<4sI", b"data", stated) + bytes(there)


def big(chunk: bytes) -> bytes:
    """Return a `fmt ` chunk in big-endian order, as in RIFX."""
    return chunk[:4] + b"".join(struct.pack(f">{kind}", *struct.unpack_from(f"<{kind}", chunk, at)) for kind, at in (
        ("I", 4), ("H", 8), ("H", 10), ("I", 12), ("I", 16), ("H", 20), ("H", 22)))  # fmt: skip


@pytest.mark.parametrize(
    ("chunks", "present", "stated", "exact"),
    [
        ((PCM, samples(64)), 64, 64, True),
        ((EXTENSIBLE, samples(64)), 64, 64, True),
        ((LIST, PCM, LIST, samples(64), LIST), 64, 64, True),
        ((UNPADDED, PCM, samples(64)), 64, 64, False),
        ((DS64, PCM, samples(0xFFFFFFFF)), 64, 64, True),
        ((PCM, samples(0)), 64, None, False),
        ((PCM, samples(0, 0)), 0, 0, True),
        ((PCM, samples(0, 0), LIST), 0, 0, True),
        ((PCM, samples(0xFFFFFFFF)), 64, None, False),
        ((PCM, samples(0x7FFFFFDB)), 64, None, False),
        ((PCM, samples(2_000_000_000)), 64, None, False),
        ((PCM, samples(64_000)), 64, None, False),
        ((PCM, samples(128)), 64, 128, False),
        ((PCM, samples(32)), 64, None, False),
        ((PCM, samples(60)), 60, 60, True),
        ((PCM, samples(64), b"ID3\4\0\0\0\0\1\0" + bytes(128)), 64, 64, False),
        ((PCM, samples(64), b"RIFF\4\0\0\0WAVE"), 64, 64, False),
        ((PCM, samples(64), samples(64)), 128, 128, False),
        ((PCM, samples(64), LIST, samples(64), samples(32), LIST), 160, 160, False),
        ((PCM, samples(64), samples(64, 32)), 96, 96, False),
        ((PCM, samples(64), LIST, samples(0, 0)), 64, 64, False),
        ((NO_BLOCK, samples(64)), 64, 64, False),
        ((WRONG_BLOCK, samples(64)), 64, 64, False),
    ],
)
def test_headers(chunks: tuple[bytes, ...], present: int, stated: int | None, exact: bool) -> None:
    found = read(*chunks)

    assert found is not None
    assert ("s16le", 8000, 2, 4) == (found.coding, found.rate, found.channels, found.block)
    assert (present, stated, exact) == (found.present, found.stated, found.exact)


@pytest.mark.parametrize(("riff", "present"), [(0, 64), (4 + 24 + 8 + 32, 32), (4 + 24 + 8 + 64, 64)])
def test_two_sizes_that_agree_are_trusted(riff: int, present: int) -> None:
    data = b"RIFF" + riff.to_bytes(4, "little") + b"WAVE" + PCM + samples(32, 64)
    found = wave(io.BytesIO(data), 0, len(data))

    assert found is not None
    assert (present, False) == (found.present, found.exact)


@pytest.mark.parametrize(
    "chunks",
    [
        (samples(64),),
        (PCM,),
        (LIST,) * 100 + (PCM, samples(64)),
        (b"fmt \x04\0\0\0abcd", samples(64)),
        (),
    ],
)
def test_no_header(chunks: tuple[bytes, ...]) -> None:
    assert read(*chunks) is None


@pytest.mark.parametrize(
    ("tag", "bits", "coding", "exact"),
    [
        (1, 8, "u8", True), (1, 12, "s16le", True), (1, 24, "s24le", True), (1, 32, "s32le", True),
        (3, 32, "f32le", True), (3, 64, "f64le", False), (6, 8, "alaw", True), (7, 8, "mulaw", True),
        (1, 64, None, False), (2, 4, None, False), (0x11, 4, None, False), (0x55, 0, None, False),
    ],
)  # fmt: skip
def test_codings(tag: int, bits: int, coding: str | None, exact: bool) -> None:
    width = (bits + 7) // 8
    found = read(struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, 1, 8000, 8000 * width, width, bits), samples(64))

    assert found is not None
    assert (coding, exact) == (found.coding, found.exact)


def test_big_endian() -> None:
    data = b"RIFX\0\0\0\0WAVE" + big(PCM) + struct.pack(">4sI", b"data", 64) + bytes(64)
    found = wave(io.BytesIO(data), 0, len(data))

    assert found is not None
    assert ("s16be", 8000, 64, False) == (found.coding, found.rate, found.present, found.exact)


def test_actual_and_stated_duration_are_separate() -> None:
    found = read(PCM, samples(128))

    assert found is not None
    assert (0.002, 0.004) == (found.duration, found.promised)
