"""Binding requests and responses; aioice is the other agent."""

from __future__ import annotations

import pytest
from aioice import stun as aioice
from hypothesis import given
from hypothesis import strategies as st

from compat.webrtc import stun

PASSWORD = "secret"


def request(*, nominated: bool = True, password: str = PASSWORD, **attributes: object) -> bytes:
    message = aioice.Message(
        message_method=aioice.Method.BINDING, message_class=aioice.Class.REQUEST, transaction_id=b"123456789012"
    )
    message.attributes["USERNAME"] = "ours:theirs"
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 99
    if nominated:
        message.attributes["USE-CANDIDATE"] = None
    message.attributes |= attributes
    message.add_message_integrity(password.encode())
    message.add_fingerprint()
    return bytes(message)


@pytest.mark.parametrize("nominated", [True, False])
def test_a_request_of_another_agent(nominated: bool) -> None:
    binding = stun.read(request(nominated=nominated))
    assert binding is not None
    assert (binding.local, binding.remote, binding.nominated) == ("ours", "theirs", nominated)
    assert binding.authentic(PASSWORD)
    assert not binding.authentic("guess")


@pytest.mark.parametrize("address", [("192.0.2.1", 65535), ("2001:db8::1", 1), ("127.0.0.1", 40000)])
def test_the_other_agent_reads_the_response(address: tuple[str, int]) -> None:
    binding = stun.read(request())
    assert binding is not None
    response = aioice.parse_message(stun.response(binding, address, PASSWORD))
    assert response.check_message_integrity(PASSWORD.encode())
    assert response.message_class is aioice.Class.RESPONSE
    assert response.transaction_id == b"123456789012"
    assert address == response.attributes["XOR-MAPPED-ADDRESS"]


def test_a_response_is_no_larger_than_a_request() -> None:
    binding = stun.read(sent := request())
    assert binding is not None
    assert len(stun.response(binding, ("2001:db8::1", 1), PASSWORD)) <= len(sent)


WHOLE = request()


@pytest.mark.parametrize("at", range(len(WHOLE)))
def test_a_request_with_a_changed_byte_is_not_authentic(at: int) -> None:
    changed = bytearray(WHOLE)
    changed[at] ^= 0x55
    binding = stun.read(bytes(changed))
    assert binding is None or not binding.authentic(PASSWORD)


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_cut_request_is_none(length: int) -> None:
    assert stun.read(WHOLE[:length]) is None


def test_a_longer_request_is_none() -> None:
    assert stun.read(WHOLE + bytes(4)) is None


@given(st.binary(max_size=200))
def test_noise_is_none(data: bytes) -> None:
    assert stun.read(data) is None
