"""Frames that the client sends, read by websockets' own parser."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from compat.upstream.masks import POOL, serialized

SIZES = (0, 1, 125, 126, 127, 4_400, 65_535, 65_536, 70_001)


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
@pytest.mark.parametrize("size", SIZES)
def test_a_server_reads_what_was_sent(opcode: Opcode, size: int) -> None:
    data = bytes(at % 256 for at in range(size))
    server = Protocol(SERVER, max_size=None)
    server.receive_data(serialized(opcode, data) + serialized(Opcode.TEXT, b"next"))

    assert [Frame(opcode, data), Frame(Opcode.TEXT, b"next")] == server.events_received()


def test_every_frame_has_a_key_of_its_own() -> None:
    count = POOL  # four times the keys of one pool

    keys = {serialized(Opcode.TEXT, b"")[2:] for _ in range(count)}

    assert len(keys) > 0.99 * count  # of 2 ** 32 random keys, a few may be equal
