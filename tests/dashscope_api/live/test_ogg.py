"""Opus packets in an Ogg stream, as FFmpeg and the emulator read them."""

from __future__ import annotations

import io
import itertools

import av
import pytest

from compat.dashscope_api.live import opus
from compat.dashscope_api.live.ogg import OggOpus, checksum
from compat.emulator.inference.decoding import decoder
from tests.whole.live_speech import frames, make_recording

PACKETS = [packet for _, packet in itertools.islice(frames(make_recording(1), "opus"), 50)]


def test_ffmpeg_reads_every_packet() -> None:
    stream = OggOpus(7, 16_000)
    with av.open(io.BytesIO(b"".join(map(stream.feed, PACKETS))), "r", format="ogg") as container:
        read = [bytes(packet) for packet in container.demux() if packet.size]
        assert ("opus", 1, 48_000) == (
            container.streams.audio[0].codec_context.name,
            container.streams.audio[0].codec_context.channels,
            container.streams.audio[0].rate,
        )
    assert read == PACKETS


def test_the_checksum_is_that_of_ffmpeg() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=960)
        frame.sample_rate = 48_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    page = bytearray(file.getvalue())
    page = page[: 27 + page[26] + sum(page[27 : 27 + page[26]])]
    expected, page[22:26] = page[22:26], bytes(4)
    assert expected == checksum(page)


def test_the_emulator_reads_as_much_sound_as_was_sent() -> None:
    stream, reader = OggOpus(7, 16_000), decoder("opus", 16_000)
    pcm = b"".join(reader.feed(stream.feed(packet)) for packet in PACKETS)
    delay = sum(map(opus.samples, PACKETS)) // 3 - len(pcm) // 2  # of the resampler
    assert 0 <= delay < 80


def test_header_pages_come_once_and_positions_count_samples() -> None:
    stream = OggOpus(7, 16_000)
    first, second = stream.feed(PACKETS[0]), stream.feed(PACKETS[1])
    assert (3, 1) == (first.count(b"OggS"), second.count(b"OggS"))
    assert (1, 1) == (first.count(b"OpusHead"), first.count(b"OpusTags"))
    assert 2 * 960 == int.from_bytes(second[6:14], "little")


@pytest.mark.parametrize("size", [1, 254, 255, 256, 510, 65_024])
def test_packets_of_any_size(size: int) -> None:
    packet = b"\xf8" + bytes(size - 1)
    page = OggOpus(7, 16_000).feed(packet)[-27 - 1 - size // 255 - size :]
    assert b"OggS" == page[:4]
    assert size == sum(page[27 : 27 + page[26]])
    assert page.endswith(packet)


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"", 0),
        (b"\x00x", 480),
        (b"\x08x", 960),
        (b"\x18x", 2880),
        (b"\x60x", 480),
        (b"\x80x", 120),
        (b"\xf8x", 960),
        (b"\xf9x", 1920),
        (b"\xfb\x03", 2880),
        (b"\xfb", 0),
    ],
)
def test_duration(packet: bytes, samples: int) -> None:
    assert samples == opus.samples(packet)
