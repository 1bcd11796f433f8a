"""G.711 decoding of every code, compared with FFmpeg and with values of the standard."""

from __future__ import annotations

import array
from pathlib import Path

import av
import pytest

from compat.audio.g711 import from_alaw, from_ulaw

CODES = bytes(range(256))


@pytest.mark.parametrize(("codec", "decode"), [("mulaw", from_ulaw), ("alaw", from_alaw)])
def test_every_code(tmp_path: Path, codec: str, decode: object) -> None:
    path = tmp_path / "codes"
    path.write_bytes(CODES)
    with av.open(str(path), format=codec) as container:
        expected = b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in container.decode(audio=0))

    assert callable(decode)
    assert expected == decode(CODES)


def test_smallest_and_largest_values_of_the_standard() -> None:
    assert [0, 0, 32124, -32124] == list(array.array("h", from_ulaw(b"\xff\x7f\x80\x00")))
    assert [8, -8, 32256, -32256] == list(array.array("h", from_alaw(b"\xd5\x55\xaa\x2a")))


def test_empty_input_gives_empty_output() -> None:
    assert b"" == from_ulaw(b"") == from_alaw(b"")
