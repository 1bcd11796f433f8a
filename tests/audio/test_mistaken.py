"""The error for a file that is not audio says what the file is."""

from __future__ import annotations

import base64
import random
import struct
from pathlib import Path

import pytest

from compat.audio.probe import header, measure
from compat.errors import BadAudio
from tests.audio.media import Recipe, tone, write

NOISE = random.Random(9).randbytes(20_000)  # noqa: S311 - no secret
SOUND = struct.pack(
    "<4sI4s4sIHHIIHH4sI", b"RIFF", 20_036, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16_000, 2, 16, b"data", 20_000
)
SOUND += NOISE
CLUSTER = b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff\xe7\x81\0"
MISTAKES = [
    (b"\x02#!SILK_V3" + NOISE, "SILK"),
    (b"#!SILK_V3" + NOISE, "WeChat"),
    (b"MS_VOICE\0\0\0\0\0\0\0\0SONY CORPORATION" + NOISE, "Sony"),
    (b"\x03ds2" + NOISE, "DS2"),
    (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "web page"),
    (b'\xef\xbb\xbf\n<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "web page or XML"),
    (b'{"error": {"message": "The link has expired."}}', "is text"),
    ("Überweisung, 你好\n".encode() * 300, "is text"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "is text"),
    (base64.b64encode(SOUND), "base64"),
    (base64.encodebytes(SOUND), "base64"),
    (b"data:audio/wav;base64," + base64.b64encode(SOUND), "base64"),
    (SOUND.decode("utf-8", "replace").encode(), "read as text"),
    (b"\x89PNG\r\n\x1a\n" + NOISE, "picture"),
    (b"\xff\xd8\xff\xe0\0\x10JFIF" + NOISE, "picture"),
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + NOISE, "picture"),
    (b"RIFF\x10\x27\0\0WEBPVP8 " + NOISE, "picture"),
    (b"%PDF-1.7\n" + NOISE, "PDF"),
    (b"PK\3\4\x14\0" + NOISE, "unpack it"),
    (b"\x1f\x8b\x08\0" + NOISE, "unpack it"),
    (b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(4000), "macOS"),
    (b"#EXTM3U\n#EXTINF:10,\nhttps://example.com/a.ts\n", "playlist"),
    (CLUSTER + NOISE, "first chunk"),
    (b"\0\0\0\x18stypmsdh\0\0\0\0msdhmsix" + NOISE, "initialisation segment"),
    (b"\0\0\0\x68moof\0\0\0\x10mfhd" + NOISE, "initialisation segment"),
    (NOISE, "raw PCM"),
    (bytes(5000), "raw PCM"),
]


@pytest.mark.parametrize(("data", "named"), MISTAKES)
def test_the_error_says_what_the_file_is(tmp_path: Path, data: bytes, named: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)

    with pytest.raises(BadAudio, match=named):
        header(path) or measure(path)


@pytest.mark.parametrize("layout", ["faststart", "frag_keyframe+empty_moov"])
def test_encrypted_audio_is_refused_as_such(tmp_path: Path, layout: str) -> None:
    key = {f"encryption_{name}": "00112233445566778899aabbccddeeff" for name in ("key", "kid")}
    muxing = {"encryption_scheme": "cenc-aes-ctr", "movflags": layout, **key}
    for number in range(5):  # encryption may begin anywhere, and encrypted audio may decode to noise
        write(
            Recipe(".m4a", "mp4", "aac", {"b": "64k"}, muxing=muxing), tone(1), 16_000, 1, str(tmp_path / f"{number}")
        )
        with pytest.raises(BadAudio, match="encrypted"):
            header(tmp_path / f"{number}") or measure(tmp_path / f"{number}")
