"""Opus packets, bare or in an Ogg stream; FFmpeg is the witness."""

from __future__ import annotations

import base64
import io
import json
from itertools import pairwise

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.bridge import opus
from compat.bridge.opus import OGG_PIECE, Packets
from compat.errors import BadRequest
from tests.bridge.stage import Stage, append, commit, final, ready

PACKET = b"\x78\1\2\3"  # 20 ms, one frame
LARGEST = b"\x80" + bytes(1275)  # of 2.5 ms
PADDED = b"\x83\x41" + b"\xff" * 180 + b"\0" + bytes(10 + 180 * 254)  # the same (RFC 6716, 3.2.5)


def stream(seconds: int, muxer: str = "ogg") -> tuple[bytes, list[bytes]]:
    """A file with Opus in it, and its packets."""
    file = io.BytesIO()
    with av.open(file, "w", format=muxer) as container:
        encoder = container.add_stream("libopus", rate=48_000, layout="mono")
        for at in range(0, seconds * 48_000, 960):
            frame = av.AudioFrame(format="s16", layout="mono", samples=960)
            frame.sample_rate, frame.pts = 48_000, at
            frame.planes[0].update(bytes(at * 7 % 251 for at in range(1920)))
            container.mux(encoder.encode(frame))
        container.mux(encoder.encode(None))
    file.seek(0)
    with av.open(file, "r") as written:
        return file.getvalue(), [bytes(packet) for packet in written.demux() if packet.size]


OGG, PACKETS = stream(3)


@pytest.mark.parametrize("size", [1, 3, 26, 27, 100, 4096, len(OGG)])
def test_an_ogg_stream_in_any_pieces_is_its_packets(size: int) -> None:
    packets = Packets()
    heard = [packet for at in range(0, len(OGG), size) for packet in packets.feed(OGG[at : at + size])]

    assert heard == PACKETS


def test_streams_may_follow_one_another_and_a_gap_costs_no_more_than_its_pages() -> None:
    packets = Packets()

    assert [*packets.feed(OGG + OGG)] == PACKETS * 2
    assert packets.feed(b"no page" * 99 + OGG) == PACKETS
    assert set(packets.feed(OGG[: len(OGG) // 2]) + packets.feed(OGG)) >= set(PACKETS)


@pytest.mark.parametrize("pieces", [[OGG], [OGG[at : at + 1000] for at in range(0, len(OGG), 1000)]])
def test_an_ogg_stream_has_its_length(pieces: list[bytes]) -> None:
    stage = ready(Stage(), format={"type": "audio/opus"}, turn_detection=None)
    for said in (*map(append, pieces), commit, final("t1", "hi")):
        stage.hear(said)

    assert b"".join(PACKETS) == stage.sound
    assert stage.frames[-1]["usage"]["seconds"] == pytest.approx(len(PACKETS) * 0.02)


@pytest.mark.parametrize(
    ("sound", "name"),
    [
        (stream(1, "webm")[0], "WebM"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "WAV"),
        (b"ID3\4\0\0\0\0\0\0", "MP3"),
        (b"\xff\xfb\x90\x64" + bytes(413), "no Opus packet"),
        (bytes(100_000), "no Opus packet"),
        (b"\xff", "no Opus packet"),
        (PADDED, "no Opus packet"),
    ],
)
def test_what_is_no_opus_is_refused_by_name(sound: bytes, name: str) -> None:
    stage = ready(Stage(), format={"type": "audio/opus"}, turn_detection=None)
    said = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(sound).decode()})

    assert ["< error invalid_value audio None"] == stage.hear(lambda stage: stage.bridge.from_client(said, stage.now))
    assert name in stage.frames[-1]["error"]["message"]
    assert not stage.bridge.more
    assert stage.sound == b""


@pytest.mark.parametrize("packet", [PACKET, LARGEST, b"\x83\x82" + LARGEST * 2])
def test_packets_of_any_size_that_sound_takes_are_heard(packet: bytes) -> None:
    assert [packet] == Packets().feed(packet)


def test_few_packets_are_taken_in_one_turn_of_the_event_loop() -> None:
    """Of one byte each: 64 KiB of them took half a second."""
    page = b"OggS" + bytes(22) + b"\xff" + b"\1" * 255 + b"\x80" * 255
    stage = ready(Stage(), format={"type": "audio/opus"}, turn_detection={"type": "server_vad"})
    stage.bridge.from_client(
        json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(page * 200).decode()}), stage.now
    )
    held = [0, stage.bridge.held]
    while stage.bridge.more:
        stage.bridge.from_client_more(stage.now)
        held.append(stage.bridge.held)

    assert 200 * 255 == held[-1] // 128  # bytes that a short packet counts as
    assert max(after - before for before, after in pairwise(held)) // 128 <= OGG_PIECE // 2


def test_all_of_a_file_is_refused() -> None:
    packets = Packets()
    for piece in (b"\x1a\x45\xdf\xa3" + PACKET, PACKET, PACKET):
        with pytest.raises(BadRequest, match="WebM"):
            packets.feed(piece)


@given(st.lists(st.binary(max_size=60) | st.just(OGG[:200]) | st.just(PACKET)))
def test_an_ogg_stream_that_has_begun_is_never_refused(pieces: list[bytes]) -> None:
    packets = Packets()
    packets.feed(OGG[:300])
    for piece in pieces:
        assert all(map(opus.sound, packets.feed(piece)))


@pytest.mark.parametrize(
    ("packet", "ms"),
    [
        (b"", 0),
        (bytes([0 << 3]), 10),
        (bytes([3 << 3]), 60),
        (bytes([12 << 3]), 10),
        (bytes([15 << 3]), 20),
        (bytes([16 << 3]), 2.5),
        (bytes([31 << 3]), 20),
        (bytes([31 << 3 | 1]), 40),
        (bytes([31 << 3 | 2]), 40),
        (bytes([31 << 3 | 3, 6]), 120),
        (bytes([31 << 3 | 3]), 0),
    ],
)
def test_opus_packets_tell_their_time(packet: bytes, ms: float) -> None:
    assert ms == opus.ticks(packet) / 16
