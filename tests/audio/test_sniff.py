"""Detection of containers by their first bytes."""

from __future__ import annotations

import io

import pytest

from compat.audio.sniff import container_of, sniff

ID3 = b"ID3\x04\0\0\0\0\x01\x00"  # 128 bytes follow


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "wav"),
        (b"BW64\xff\xff\xff\xffWAVEds64", "wav"),
        (b"RIFX\0\0\0\0WAVEfmt ", "wav"),
        (b"RIFF\0\0\0\0AVI LIST", "avi"),
        (b"RIFF\0\0\0\0WEBPVP8 ", None),
        (b"FORM\0\0\0\0AIFFCOMM", "aiff"),
        (b"FORM\0\0\0\0AIFCFVER", "aiff"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "m4a"),
        (b"\0\0\0\x20ftypisom\0\0\0\0", "mp4"),
        (b"\0\0\0\x20ftypqt  \0\0\0\0", "mov"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "mov"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "webm"),
        (b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska", "mkv"),
        (b"fLaC\0\0\0\x22", "flac"),
        (b"OggS\0\x02", "ogg"),
        (b"#!AMR\n", "amr"),
        (b"#!AMR-WB\n", "amr"),
        (b"\xff\xfb\x90\x64", "mp3"),
        (b"\xff\xf3\x88\xc0", "mp3"),
        (b"\xff\xe3\x88\xc0", "mp3"),
        (b"\xff\xf1\x50\x80", "aac"),
        (b"\xff\xf9\x50\x80", "aac"),
        (b"\xff\xfb\xf0\x64", None),
        (b"\xff\xd8\xff\xe0", None),
        (b"\xff\xff\xff\xff", None),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "wma"),
        (b"FLV\x01\x05", "flv"),
        (b"\x00\x00\x01\xba\x44", "mpeg"),
        (b"\x47" + bytes(187) + b"\x47", "mpeg"),
        (b"Good morning" * 20, None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_first_bytes(head: bytes, name: str | None) -> None:
    found = container_of(head)

    assert name == (found.name if found else None)


@pytest.mark.parametrize(
    ("data", "name", "start"),
    [
        (ID3 + bytes(128) + b"\xff\xfb\x90\x64", "mp3", 138),
        (ID3 + bytes(128) + bytes(50) + b"\xff\xfb\x90\x64", "mp3", 188),
        (ID3 + bytes(128) + ID3 + bytes(128) + b"fLaC", "flac", 276),
        (ID3 + bytes(128) + b"\xff\xf1\x50\x80", "aac", 138),
        (ID3 + bytes(128), None, 0),
        (ID3, None, 0),
        (b"OggS", "ogg", 0),
    ],
)
def test_containers_after_tags_are_detected(data: bytes, name: str | None, start: int) -> None:
    found, place = sniff(io.BytesIO(data), len(data))

    assert (name, start) == (found.name if found else None, place.start)


def test_every_container_has_a_mime_type_and_a_suffix() -> None:
    found = container_of(b"OggS")

    assert ("ogg", "audio/ogg", ".ogg") == found
