"""Samples in containers that are wider than needed. FFmpeg reads some of them with the wrong width."""

from __future__ import annotations

import array
import struct
from pathlib import Path
from typing import Literal

import pytest

from compat.audio.decode import pcm
from compat.audio.probe import header, measure
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay

WORDS = lay(VOCABULARY[:6])
RATE = 16_000
SOUND = array.array("h", encode(WORDS, rate=RATE))
LENGTH = len(SOUND) / RATE
PCM, FLOAT = 1, 3


def chunk(name: bytes, body: bytes, order: str = "<") -> bytes:
    return name + struct.pack(f"{order}I", len(body)) + body + bytes(len(body) % 2)


def shifted(bits: int, width: int, order: Literal["little", "big"] = "little") -> bytes:
    """Return samples of `bits`, left-justified in `width` bytes."""
    samples = [sample >> 16 - bits << 16 - bits for sample in SOUND] if bits < 16 else SOUND
    return b"".join((sample << 8 * width - 16).to_bytes(width, order, signed=True) for sample in samples)


def riff(tag: int, width: int, valid: int | None, data: bytes, *, bits: int = 0, front: bytes = b"") -> bytes:
    pace = struct.pack("<IIHH", RATE, RATE * width, width, bits or 8 * width)
    plain = struct.pack("<HH", 0xFFFE if valid else tag, 1) + pace
    extended = struct.pack("<HHIH", 22, valid, 4, tag) + bytes.fromhex("000000001000800000aa00389b71") if valid else b""
    body = b"WAVE" + chunk(b"fmt ", plain + extended) + front + chunk(b"data", data)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def caf(width: int, bits: int, order: Literal["little", "big"]) -> bytes:
    flags = 2 if order == "little" else 0
    described = struct.pack(">d4sIIIII", RATE, b"lpcm", flags, width, 1, 1, bits)
    data = bytes(4) + shifted(bits, width, order)
    return b"caff\0\1\0\0desc" + struct.pack(">q", 32) + described + b"data" + struct.pack(">q", len(data)) + data


def sowt(width: int) -> bytes:
    common = struct.pack(">hIhHQ", 1, len(SOUND), 8 * width, 16_383 + 13, RATE << 50) + b"sowt\0\0"
    sound = chunk(b"SSND", bytes(8) + shifted(16, width), ">")
    body = b"AIFC" + chunk(b"COMM", common, ">") + sound + chunk(b"ANNO", bytes(400), ">")
    return b"FORM" + struct.pack(">I", len(body)) + body


def floats(scale: float) -> bytes:
    return struct.pack(f"<{len(SOUND)}f", *(sample * scale for sample in SOUND))


FILES = {
    "wav, 24 in 32": riff(PCM, 4, 24, shifted(24, 4)),
    "wav, 20 in 32": riff(PCM, 4, 20, shifted(20, 4)),
    "wav, 16 in 32": riff(PCM, 4, 16, shifted(16, 4)),
    "wav, 16 in 24": riff(PCM, 3, 16, shifted(16, 3)),
    "wav, 12 in 16": riff(PCM, 2, 12, shifted(12, 2)),
    "wav, floats with 24 valid bits": riff(FLOAT, 4, 24, floats(1 / 32_768)),
    "wav, Cool Edit's floats": riff(PCM, 4, None, floats(256.0), bits=24),
    "rf64, ds64 behind the format": b"RF64"
    + riff(PCM, 2, None, shifted(16, 2), front=chunk(b"ds64", struct.pack("<QQQI", 0, 2 * len(SOUND), 0, 0)))[4:],
    "caf, 24 in 32, little": caf(4, 24, "little"),
    "caf, 24 in 32, big": caf(4, 24, "big"),
    "aiff-c, 24 bits, little": sowt(3),
    "aiff-c, 32 bits, little": sowt(4),
}


@pytest.mark.parametrize("name", FILES)
def test_samples_are_read_by_the_width_of_their_container(tmp_path: Path, name: str) -> None:
    path = tmp_path / "odd"
    path.write_bytes(FILES[name])
    media = header(path) or measure(path)

    assert media.duration == pytest.approx(LENGTH, abs=0.01)
    assert not media.clean  # other decoders make the same mistake as FFmpeg
    assert [word.text for sentence in Tones().recognise(pcm(path)) for word in sentence.words] == [
        word.text for word in WORDS
    ]
