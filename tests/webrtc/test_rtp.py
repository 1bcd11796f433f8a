from __future__ import annotations

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from compat.webrtc import rtp


@pytest.mark.parametrize("padding", [0, 1, 200])
@pytest.mark.parametrize("sources", [[], [1, 2, 3]])
def test_a_packet_of_another_implementation(padding: int, sources: list[int]) -> None:
    packet = RtpPacket(payload_type=111, marker=1, sequence_number=65535, timestamp=2**32 - 1, ssrc=77, payload=b"opus")
    packet.csrc = sources
    packet.padding_size = padding
    assert rtp.read(packet.serialize(), 111) == rtp.Packet(65535, 2**32 - 1, 77, b"opus")


@pytest.mark.parametrize("first", [True, False])
def test_another_implementation_reads_a_packet(first: bool) -> None:
    packet = rtp.Packet(65535, 2**32 - 1, 77, b"opus")
    read = RtpPacket.parse(data := rtp.write(packet, 111, first=first))
    assert (read.payload_type, read.marker, read.sequence_number) == (111, int(first), 65535)
    assert (read.timestamp, read.ssrc, read.payload) == (2**32 - 1, 77, b"opus")
    assert rtp.read(data, 111) == packet


EXTENDED = b"\x90\x6f\x00\x01" + bytes(8) + b"\xbe\xde\x00\x02" + bytes(8) + b"opus"


def test_a_header_extension_is_skipped() -> None:
    packet = rtp.read(EXTENDED, 111)
    assert packet is not None
    assert packet.payload == b"opus"


@pytest.mark.parametrize("length", range(len(EXTENDED) - 3))
def test_a_cut_packet_is_none(length: int) -> None:
    assert rtp.read(EXTENDED[:length], 111) is None


def test_another_payload_is_none() -> None:
    assert rtp.read(EXTENDED, 63) is None


@given(st.binary(max_size=80))
def test_noise_raises_nothing(data: bytes) -> None:
    assert isinstance(rtp.read(b"\x80\x6f" + data, 111), rtp.Packet | None)


@pytest.mark.parametrize(("second", "is_rtp"), [(111, True), (0xEF, True), (200, False), (206, False)])
def test_rtp_and_rtcp_on_one_port(second: int, is_rtp: bool) -> None:
    assert is_rtp is rtp.is_rtp(bytes([0x80, second]) + bytes(20))
