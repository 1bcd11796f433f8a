"""The worker process's protocol, without the Worker that normally speaks it."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys

import msgspec

from compat.audio.child import NEXT, Kind
from compat.errors import BadAudio, failure
from tests.audio import hostile

BOOT = "from compat.audio.child import serve; serve(1 << 30)"


def exchanged(*frames: bytes) -> list[bytes]:
    """Send frames, then close standard input; return the responses."""
    with subprocess.Popen([sys.executable, "-c", BOOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        responses = []
        for frame in frames:
            process.stdin.write(struct.pack(">I", len(frame)) + frame)
            process.stdin.flush()
            responses.append(process.stdout.read(struct.unpack(">I", process.stdout.read(4))[0]))
        process.stdin.close()
        assert b"" == process.stdout.read()
        assert 0 == process.wait()
    return responses


def failed(message: str) -> bytes:
    """Return the frame for a BadAudio."""
    return bytes([Kind.FAILED]) + msgspec.msgpack.encode(failure(BadAudio(message)))


DAMAGED = failed("The file could not be read: it is damaged.")


def test_a_conversation() -> None:
    assert [
        bytes([Kind.RESULT]) + b"\x06",
        bytes([Kind.ITEM]) + b"\x00",
        bytes([Kind.END]),
        failed("in words"),
        DAMAGED,
    ] == exchanged(
        pickle.dumps((hostile.double, (3,), {})),
        pickle.dumps((hostile.counting, (1,), {})),
        NEXT,
        pickle.dumps((hostile.refused, (), {})),
        pickle.dumps((hostile.broken, (), {})),
    )


def test_a_result_that_cannot_be_encoded_is_a_failure() -> None:
    assert [DAMAGED] == exchanged(pickle.dumps((hostile.strange, (), {})))


def test_a_truncated_call_is_a_failure_and_the_process_exits_at_the_end_of_input() -> None:
    assert [DAMAGED] == exchanged(b"\x80")
    assert [] == exchanged()
