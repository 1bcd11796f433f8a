"""The worker process's own manners, spoken to directly."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys

import msgspec

from compat.audio.child import NEXT, Kind
from tests.audio import hostile

BOOT = "from compat.audio.child import serve; serve(1 << 30)"


def said(*frames: bytes) -> list[bytes]:
    """Say frames, then end: what the process answered until it ended."""
    with subprocess.Popen([sys.executable, "-c", BOOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        heard = []
        for frame in frames:
            process.stdin.write(struct.pack(">I", len(frame)) + frame)
            process.stdin.flush()
            heard.append(process.stdout.read(struct.unpack(">I", process.stdout.read(4))[0]))
        process.stdin.close()
        assert b"" == process.stdout.read()
        assert 0 == process.wait()
    return heard


REFUSED = {"kind": "BadAudio", "message": "in words", "param": "file", "code": "invalid_audio", "retry_after": None}


def test_a_conversation() -> None:
    assert [
        bytes([Kind.RESULT]) + b"\x06",
        bytes([Kind.ITEM]) + b"\x00",
        bytes([Kind.END]),
        bytes([Kind.REFUSED]) + msgspec.msgpack.encode(REFUSED),
        bytes([Kind.FAILED]) + b"\xaaIndexError",
    ] == said(
        pickle.dumps((hostile.double, (3,), {})),
        pickle.dumps((hostile.counting, (1,), {})),
        NEXT,
        pickle.dumps((hostile.refused, (), {})),
        pickle.dumps((hostile.broken, (), {})),
    )


def test_what_cannot_be_sent_is_a_failure() -> None:
    assert [bytes([Kind.FAILED]) + b"\xa9TypeError"] == said(pickle.dumps((hostile.strange, (), {})))


def test_a_torn_call_is_a_failure_and_the_end_of_input_the_end() -> None:
    assert Kind.FAILED == said(b"\x80")[0][0]
    assert [] == said()
