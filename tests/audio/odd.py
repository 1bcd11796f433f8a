"""Test files in every container that FFmpeg writes, intact and with each kind of damage."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from tests.audio.media import RECIPES, Recipe, write

MORE = {
    "wav-u8": Recipe(".wav", "wav", "pcm_u8"),
    "wav-f64": Recipe(".wav", "wav", "pcm_f64le"),
    "wav-alaw": Recipe(".wav", "wav", "pcm_alaw"),
    "wav-ima": Recipe(".wav", "wav", "adpcm_ima_wav"),
    "wav-g722": Recipe(".wav", "wav", "g722", rate=16_000, channels=1),
    "wav-mp3": Recipe(".wav", "wav", "libmp3lame", {"b": "64k"}),
    "caf": Recipe(".caf", "caf", "pcm_s16be"),
    "au": Recipe(".au", "au", "pcm_s16be"),
    "mp2": Recipe(".mp2", "mp2", "mp2", {"b": "64k"}),
    "ac3": Recipe(".ac3", "ac3", "ac3", {"b": "96k"}, rate=48_000),
    "latm": Recipe(".latm", "latm", "aac", {"b": "64k"}),
    "wv": Recipe(".wv", "wv", "wavpack"),
    "tta": Recipe(".tta", "tta", "tta"),
    "m2ts": Recipe(".m2ts", "mpegts", "aac", {"b": "64k"}, muxing={"mpegts_m2ts_mode": "1"}),
    "mpeg": Recipe(".mpg", "mpeg", "mp2", {"b": "64k"}),
    "3gp": Recipe(".3gp", "3gp", "libopencore_amrnb", {"b": "12200"}, rate=8000, channels=1),
    "mov": Recipe(".mov", "mov", "aac", {"b": "64k"}),
    "avi": Recipe(".avi", "avi", "libmp3lame", {"b": "64k"}),
    "avi-pcm": Recipe(".avi", "avi", "pcm_s16le"),
    "flv": Recipe(".flv", "flv", "libmp3lame", {"b": "64k"}, rate=44_100),
    "flv-aac": Recipe(".flv", "flv", "aac", {"b": "64k"}),
    "mkv-aac": Recipe(".mkv", "matroska", "aac", {"b": "64k"}),
}
CONTAINERS = {name: recipe for name, recipe in (RECIPES | MORE).items() if recipe.sound}


class Pipe(BytesIO):
    """A file that cannot seek, so that the muxer never corrects the sizes that it wrote first."""

    def seekable(self) -> bool:
        return False

    seek = None  # type: ignore[assignment]
    tell = None  # type: ignore[assignment]


def piped(name: str, pcm: bytes, rate: int) -> bytes:
    out = Pipe()
    write(CONTAINERS[name], pcm, rate, 1, out)
    return out.getvalue()


def written(name: str, pcm: bytes, rate: int, folder: Path) -> bytes:
    write(CONTAINERS[name], pcm, rate, 1, str(folder / "written"))
    return (folder / "written").read_bytes()


def id3(*, footer: bool = False) -> bytes:
    body = b"TIT2\0\0\0\x0c\0\0\0hello world"
    size = bytes([0, 0, 0, len(body)])
    return b"ID3\4\0" + (b"\x10" if footer else b"\0") + size + body + (b"3DI\4\0\x10" + size if footer else b"")


ID3V1 = b"TAG" + b"hello".ljust(125, b"\0")


def ape(*, lie: int = 0) -> bytes:
    """Return an APEv2 tag with its header; `lie` is added to the stated size."""
    item = struct.pack("<II", 5, 0) + b"Title\0hello"
    head, foot = (
        struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(item) + 32 + lie, 1, flags)
        for flags in (0xA0000000, 0x80000000)
    )
    return head + item + foot


def _noise(size: int) -> bytes:
    return random.Random(5).randbytes(size)  # noqa: S311 - no secret


def damaged(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + _noise(60) + data[middle + 60 :]


ODDITIES: dict[str, Callable[[bytes], bytes]] = {
    "as written": lambda data: data,
    "ID3v2 in front": lambda data: id3() + data,
    "ID3v2 with a footer in front": lambda data: id3(footer=True) + data,
    "ID3v1 behind": lambda data: data + ID3V1,
    "APEv2 behind": lambda data: data + ape(),
    "a lying APEv2 and an ID3v1 behind": lambda data: data + ape(lie=9) + ID3V1,
    "ID3v2 behind, in no chunk": lambda data: data + id3(),
    "junk in front": lambda data: _noise(413) + data,
    "first half": lambda data: data[: len(data) // 2],
    "second half": lambda data: data[len(data) // 2 :],
    "damaged": damaged,
    "joined with itself": lambda data: data + data,
}


def put(data: bytes, mark: bytes, offset: int, form: str, *numbers: float) -> bytes:
    """Return `data` with `numbers` written `offset` bytes after `mark`."""
    at = data.index(mark) + len(mark) + offset
    return data[:at] + struct.pack(form, *numbers) + data[at + struct.calcsize(form) :]


def _frames(data: bytes, times: float) -> bytes:
    mark = b"Xing" if b"Xing" in data else b"Info"
    counted = struct.unpack_from(">I", data, data.index(mark) + 8)[0]
    return put(data, mark, 4, ">I", int(counted * times))


def _both(data: bytes, number: int) -> bytes:
    return put(put(data, b"mvhd", 16, ">I", number), b"mdhd", 16, ">I", number)


WRONG: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    **{
        f"wav, data of {size}": ("wav", lambda data, size=size: put(data, b"data", 0, "<I", size))  # type: ignore[misc]
        for size in (0, 1000, 500_000, 100_000_000, 2_000_000_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
    },
    "wav, block of 4": ("wav", lambda data: put(data, b"fmt ", 16, "<H", 4)),
    "wav, block of 0": ("wav", lambda data: put(data, b"fmt ", 16, "<H", 0)),
    "wav, 1 byte a second": ("wav", lambda data: put(data, b"fmt ", 12, "<I", 1)),
    "ima, 1 byte a second": ("wav-ima", lambda data: put(data, b"fmt ", 12, "<I", 1)),
    "ima, data of 2e9": ("wav-ima", lambda data: put(data, b"data", 0, "<I", 2_000_000_000)),
    "mp3, half the frames": ("mp3", lambda data: _frames(data, 0.5)),
    "mp3, twice the frames": ("mp3", lambda data: _frames(data, 2)),
    "mp3, 100 times the frames": ("mp3-vbr", lambda data: _frames(data, 100)),
    "flac, unknown": ("flac", lambda data: put(data, b"fLaC", 18, ">I", 0)),
    "flac, ten times": ("flac", lambda data: put(data, b"fLaC", 18, ">I", 582_400)),
    "m4a, ten times": ("m4a", lambda data: _both(data, 582_400)),
    "m4a, nothing": ("m4a", lambda data: _both(data, 0)),
    "au, unknown": ("au", lambda data: put(data, b".snd", 4, ">I", 0xFFFFFFFF)),
    "au, twice": ("au", lambda data: put(data, b".snd", 4, ">I", 232_960)),
    "caf, unknown": ("caf", lambda data: put(data, b"data", 0, ">q", -1)),
    **{
        f"aiff, {frames:x} frames, SSND of {size:x}, FORM of {whole:x}": (
            "aiff",
            lambda data, frames=frames, size=size, whole=whole: put(  # type: ignore[misc]
                put(put(data, b"COMM", 6, ">I", frames), b"SSND", 0, ">I", size), b"FORM", 0, ">I", whole
            ),
        )
        for frames in (0, 58_240, 0x7FFFFFFF, 0xFFFFFFFF)
        for size, whole in ((0, 0), (8, 0xFFFFFFFF), (0x7FFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0))
    },
    "aiff, twice the frames": ("aiff", lambda data: put(data, b"COMM", 6, ">I", 116_480)),
    "webm, twice": ("webm", lambda data: put(data, b"\x44\x89\x88", 0, ">d", 7280.0)),
    "webm, nothing": ("webm", lambda data: put(data, b"\x44\x89\x88", 0, ">d", 0.0)),
}


GSM = (b"\xd0" + bytes(32)) * 182  # frames of 20 ms


def speex(seconds: float) -> bytes:
    """Return silence as Speex in Ogg: narrowband frames of 20 ms without content."""
    head = struct.pack("<8s20s13i", b"Speex   ", b"1.2", 1, 80, 8000, 0, 4, 1, -1, 160, 0, 1, 0, 0, 0)
    comment = struct.pack("<I4sI", 4, b"test", 0)
    sound = [(b"\x03\xc0", 160 * number) for number in range(1, round(seconds * 50) + 1)]
    packets = [(head, 0), (comment, 0), *sound]
    last = len(packets) - 1
    return b"".join(
        _page(packet, time, number, 2 if number == 0 else 4 if number == last else 0)
        for number, (packet, time) in enumerate(packets)
    )


def _page(packet: bytes, time: int, number: int, flags: int) -> bytes:
    return checked(struct.pack("<4sBBqIIIBB", b"OggS", 0, flags, time, 7, number, 0, 1, len(packet)) + packet)


def checked(page: bytes) -> bytes:
    """Return a page of Ogg with the right checksum."""
    page = page[:22] + bytes(4) + page[26:]
    turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in page)
    crc = zlib.crc32(turned, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return page[:22] + int(f"{crc:032b}"[::-1], 2).to_bytes(4, "little") + page[26:]
