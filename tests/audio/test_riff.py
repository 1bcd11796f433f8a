"""WAV headers, true and false."""

from __future__ import annotations

import io
import struct

import pytest

from compat.audio.riff import Wave, wave

PCM = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 8000, 32_000, 4, 16)
EXTENSIBLE = struct.pack("<4sIHHIIHHHHIH14s", b"fmt ", 40, 0xFFFE, 2, 8000, 32_000, 4, 16, 22, 16, 3, 1, bytes(14))
ADPCM = struct.pack("<4sIHHIIHH", b"fmt ", 16, 2, 1, 8000, 4096, 256, 4)
NO_BLOCK = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 8000, 32_000, 0, 16)
DS64 = struct.pack("<4sIQQQI", b"ds64", 28, 0, 64, 0, 0)
LIST = b"LIST\x05\0\0\0abcde\0"


def read(*chunks: bytes) -> Wave | None:
    data = b"RIFF\0\0\0\0WAVE" + b"".join(chunks)
    return wave(io.BytesIO(data), len(data))


def samples(stated: int, there: int = 64) -> bytes:
    return struct.pack("<4sI", b"data", stated) + bytes(there)


@pytest.mark.parametrize(
    ("chunks", "found"),
    [
        ((PCM, samples(64)), Wave(8000, 2, 4, 64, 64)),
        ((EXTENSIBLE, samples(64)), Wave(8000, 2, 4, 64, 64)),
        ((LIST, PCM, LIST, samples(64), LIST), Wave(8000, 2, 4, 64, 64)),
        ((DS64, PCM, samples(0xFFFFFFFF)), Wave(8000, 2, 4, 64, 64)),
        ((PCM, samples(0)), Wave(8000, 2, 4, 64, None)),
        ((PCM, samples(0xFFFFFFFF)), Wave(8000, 2, 4, 64, None)),
        ((PCM, samples(0x7FFFFFDB)), Wave(8000, 2, 4, 64, None)),
        ((PCM, samples(128)), Wave(8000, 2, 4, 64, 128)),
        ((PCM, samples(32)), Wave(8000, 2, 4, 64, None, stale=True)),
        ((PCM, samples(60)), Wave(8000, 2, 4, 60, 60)),
        ((ADPCM, samples(64)), None),
        ((NO_BLOCK, samples(64)), None),
        ((samples(64),), None),
        ((PCM,), None),
        ((LIST,) * 100 + (PCM, samples(64)), None),
        ((b"fmt \x04\0\0\0abcd", samples(64)), None),
        ((), None),
    ],
)
def test_headers(chunks: tuple[bytes, ...], found: Wave | None) -> None:
    assert found == read(*chunks)


def test_length_and_promise_are_told_apart() -> None:
    found = read(PCM, samples(128))

    assert found is not None
    assert (0.002, 0.004) == (found.duration, found.promised)
