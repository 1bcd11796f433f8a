"""Conversion of the client's audio, and its clock. Opus is sent bare or in an Ogg stream; FFmpeg is the reference."""

from __future__ import annotations

import base64
import io
import json
import struct
from itertools import pairwise
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.bridge.intake import OGG_PIECE, Intake, OpusPackets, is_opus, opus_ticks
from compat.bridge.limits import SessionLimits
from compat.errors import BadRequest
from compat.openai_api.realtime.session import AudioFormat
from tests.bridge.stage import (
    NEW,
    NO_PADDING,
    Stage,
    Step,
    append,
    commit,
    final,
    finished,
    opened,
    play,
    ready,
    start,
    update,
)

SECOND = 16_000
PACKET = b"\x78\1\2\3"  # 20 ms, one frame
LARGEST = b"\x80" + bytes(1275)  # of 2.5 ms
PADDED = b"\x83\x41" + b"\xff" * 180 + b"\0" + bytes(10 + 180 * 254)  # the same (RFC 6716, 3.2.5)


def wav(rate: int, channels: int = 1, tag: int = 1, bits: int = 16) -> bytes:
    block = channels * bits // 8
    return b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, tag, channels, rate, rate * block, block, bits)


DATA = b"data\xff\xff\xff\xff"
PCM = AudioFormat("pcm", 24000)


@pytest.mark.parametrize(
    ("form", "header"),
    [(PCM, wav(24000)), (PCM, wav(24000) + b"LIST\4\0\0\0abcd"), (AudioFormat("ulaw", 8000), wav(8000, tag=7, bits=8))],
)
def test_the_header_of_a_wav_file_is_not_audio(form: AudioFormat, header: bytes) -> None:
    intake = Intake(form, 16_000)

    assert intake.parts(b"") == [b""]
    assert intake.parts(header + DATA + b"\1\2\3\4") == [b"\1\2\3\4"]
    assert intake.parts(b"\5\6") == [b"\5\6"]
    assert intake.parts(header + DATA + b"\7\7") == [b"\7\7"]


@pytest.mark.parametrize(
    ("form", "beginning", "expected"),
    [
        (PCM, wav(16000) + DATA, "s16le, 16000 Hz, mono"),
        (PCM, wav(24000, channels=2) + DATA, "s16le, 24000 Hz, 2 channels"),
        (PCM, wav(24000, tag=3, bits=32) + DATA, "f32le"),
        (PCM, wav(24000), "a WAV file"),
        (AudioFormat("alaw", 8000), wav(8000) + DATA, "G.711 (alaw) at 8000 Hz"),
    ],
)
def test_a_wav_file_in_another_format_is_refused(form: AudioFormat, beginning: bytes, expected: str) -> None:
    intake = Intake(form, 16_000)

    with pytest.raises(BadRequest) as refused:
        intake.parts(beginning + bytes(100))
    assert expected in refused.value.message
    assert refused.value.param == "audio"
    assert intake.position == 0


def test_the_rest_of_a_refused_wav_file_is_refused_until_another_begins() -> None:
    intake = Intake(PCM, 16_000)

    for piece in (wav(16000) + DATA + bytes(100), bytes(100)):
        with pytest.raises(BadRequest, match="16000 Hz"):
            intake.parts(piece)
    assert intake.parts(wav(24000) + DATA + bytes(2)) + intake.parts(bytes(4)) == [bytes(2), bytes(4)]


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"ID3\4\0\0", "MP3"),
        (b"fLaC\0", "FLAC"),
        (b"OggS\0\2", "Ogg"),
        (b"\x1a\x45\xdf\xa3\1", "WebM"),
        (b"\0\0\0\x20ftypM4A ", "MP4"),
    ],
)
def test_a_file_is_refused_by_its_first_bytes(beginning: bytes, kind: str) -> None:
    intake, later = Intake(PCM, 16_000), Intake(PCM, 16_000)

    for piece in (beginning, bytes(100)):
        with pytest.raises(BadRequest, match=kind):
            intake.parts(piece)
    assert later.parts(bytes(2)) + later.parts(beginning) == [bytes(2), beginning]


@pytest.mark.parametrize(
    ("form", "appended", "rate", "out"),
    [
        (AudioFormat("pcm", 8000), 16_000, 16_000, 32_000),
        (AudioFormat("pcm", 16000), 32_000, 16_000, 32_000),
        (AudioFormat("pcm", 24000), 48_000, 16_000, 32_000),
        (AudioFormat("pcm", 48000), 96_000, 16_000, 32_000),
        (AudioFormat("ulaw", 8000), 8000, 8000, 16_000),
        (AudioFormat("alaw", 8000), 8000, 8000, 16_000),
        (AudioFormat("alaw", 8000), 8000, 16_000, 32_000),
        (AudioFormat("ulaw", 8000), 8000, 16_000, 32_000),
        (AudioFormat("pcm", 24000), 48_000, 8000, 16_000),
    ],
)
def test_a_second_of_any_format_has_the_same_duration(form: AudioFormat, appended: int, rate: int, out: int) -> None:
    intake = Intake(form, rate)
    heard = intake.feed(bytes(appended)) + intake.flush()

    assert (out, SECOND) == (len(heard), intake.position)
    assert SECOND == intake.ticks(heard)
    assert SECOND == intake.converted


@pytest.mark.parametrize("size", [1, 2, 3, 5, 480, 4801])
def test_odd_frames_are_joined(size: int) -> None:
    pcm = bytes(index * 7 % 251 for index in range(4802))
    intake, whole = Intake(AudioFormat("pcm", 24000), 16_000), Intake(AudioFormat("pcm", 24000), 16_000)
    parts = b"".join(intake.feed(pcm[at : at + size]) for at in range(0, len(pcm), size)) + intake.flush()

    assert whole.feed(pcm) + whole.flush() == parts


def test_half_a_sample_is_kept_for_the_next_append_and_dropped_at_the_end_of_the_turn() -> None:
    intake = Intake(AudioFormat("pcm", 16000), 16_000)

    assert b"\1\0" == intake.feed(b"\1\0\2")
    assert b"\2\0" == intake.feed(b"\0\3")
    assert b"" == intake.flush()
    assert b"\4\0" == intake.feed(b"\4\0")


def test_the_clock_continues_in_a_new_format() -> None:
    first = Intake(AudioFormat("pcm", 24000), 16_000)
    first.feed(bytes(48_000))
    first.flush()
    second = Intake(AudioFormat("ulaw", 8000), 8000, first.position)
    second.feed(bytes(8000))

    assert 2 * SECOND == second.position == second.converted


def test_many_short_turns_do_not_drift() -> None:
    intake = Intake(AudioFormat("pcm", 24000), 16_000)
    for _ in range(100):
        intake.feed(bytes(2 * 2401))
        intake.flush()

    assert 100 * 2401 * 2 // 3 == intake.position == intake.converted


@pytest.mark.parametrize("cuts", [[4800], [1] * 48 + [4752], [3, 5, 2391, 2401], [2400, 2400]])
def test_sound_at_24_khz_is_resampled_as_one_stream(cuts: list[int]) -> None:
    pcm = b"".join((index * 37 % 20000 - 10000).to_bytes(2, "little", signed=True) for index in range(2400))
    whole, parts = Stage(), Stage()
    for stage, sizes in ((whole, [4800]), (parts, cuts)):
        for step in (start, update(turn_detection=None), opened):
            stage.step(step)
        at = 0
        for size in sizes:
            stage.step(append(pcm[at : at + size]))
            at += size
        stage.step(commit)

    assert 3200 == len(whole.sound)
    assert whole.sound == parts.sound


@pytest.mark.parametrize(
    ("form", "appended", "expected", "sent"),
    [
        ({"type": "audio/pcm", "rate": 8000}, 1600, "pcm/16000", 3200),
        ({"type": "audio/pcm", "rate": 16000}, 3200, "pcm/16000", 3200),
        ({"type": "audio/pcm"}, 4800, "pcm/16000", 3200),
        ({"type": "audio/pcm", "rate": 48000}, 9600, "pcm/16000", 3200),
        ({"type": "audio/pcmu"}, 800, "pcm/8000", 1600),
        ({"type": "audio/pcma"}, 800, "pcm/8000", 1600),
    ],
)
def test_every_format_is_100_ms_for_the_service(form: dict[str, Any], appended: int, expected: str, sent: int) -> None:
    stage = Stage()
    for step in (start, update(format=form, turn_detection=None)):
        stage.step(step)

    assert stage.step(opened) == [f"> setup {expected} manual"]
    stage.step(append(bytes(appended)))
    stage.step(commit)
    assert sent == len(stage.sound)
    stage.step(final("t1", "x"))
    assert 0.1 == stage.frames[-1]["usage"]["seconds"]


def test_opus_is_passed_on_and_its_packets_advance_the_clock() -> None:
    stage = Stage()
    play(
        stage,
        [
            (start, ["< session.created", "open"]),
            (update(format={"type": "audio/opus"}, turn_detection=None), ["< session.updated"]),
            (opened, ["> setup opus/16000 manual"]),
            *[(append(PACKET), ["> audio 4"])] * 5,
            (commit, [*NEW, "> commit"]),
            (final("t1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 0.1"]),
        ],
    )


def test_a_large_frame_is_split() -> None:
    stage = ready(Stage(limits=SessionLimits(frame_bytes=3200)))

    assert stage.step(append(250)) == ["> audio 3200", "> audio 3200", "> audio 1600"]


@pytest.mark.parametrize(
    ("turn_detection", "answer"),
    [(None, [final("t1", "one")]), (NO_PADDING, [finished, opened])],
    ids=["by hand", "detected"],
)
def test_half_a_sample_is_dropped_at_a_commit(turn_detection: dict[str, Any] | None, answer: list[Step]) -> None:
    stage = ready(Stage(), turn_detection=turn_detection)
    for step in (append(b"\1\0" * 1600 + b"\7"), commit, append(b"\2\0" * 1600), *answer):
        stage.step(step)

    assert b"\1\0" * 1600 + b"\2\0" * 1600 == stage.sound


def stream(seconds: int, muxer: str = "ogg") -> tuple[bytes, list[bytes]]:
    """Return an Ogg Opus file and its packets."""
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
def test_an_ogg_stream_in_any_pieces_yields_its_packets(size: int) -> None:
    packets = OpusPackets()
    heard = [packet for at in range(0, len(OGG), size) for packet in packets.feed(OGG[at : at + size])]

    assert heard == PACKETS


def test_ogg_streams_can_be_chained_and_a_gap_loses_only_its_pages() -> None:
    packets = OpusPackets()

    assert [*packets.feed(OGG + OGG)] == PACKETS * 2
    assert packets.feed(b"no page" * 99 + OGG) == PACKETS
    assert set(packets.feed(OGG[: len(OGG) // 2]) + packets.feed(OGG)) >= set(PACKETS)


@pytest.mark.parametrize("pieces", [[OGG], [OGG[at : at + 1000] for at in range(0, len(OGG), 1000)]])
def test_an_ogg_stream_has_the_right_duration(pieces: list[bytes]) -> None:
    stage = ready(Stage(), format={"type": "audio/opus"}, turn_detection=None)
    for step in (*map(append, pieces), commit, final("t1", "hi")):
        stage.step(step)

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
def test_other_audio_than_opus_is_refused_with_its_format(sound: bytes, name: str) -> None:
    stage = ready(Stage(), format={"type": "audio/opus"}, turn_detection=None)
    said = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(sound).decode()})

    assert ["< error invalid_value audio None"] == stage.step(lambda stage: stage.bridge.from_client(said, stage.now))
    assert name in stage.frames[-1]["error"]["message"]
    assert not stage.bridge.more
    assert stage.sound == b""


@pytest.mark.parametrize("packet", [PACKET, LARGEST, b"\x83\x82" + LARGEST * 2])
def test_opus_packets_of_any_valid_size_are_accepted(packet: bytes) -> None:
    assert [packet] == OpusPackets().feed(packet)


def test_few_packets_are_processed_in_one_iteration_of_the_event_loop() -> None:
    """64 KiB of packets of one byte each took half a second."""
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


def test_a_whole_file_is_refused() -> None:
    packets = OpusPackets()
    for piece in (b"\x1a\x45\xdf\xa3" + PACKET, PACKET, PACKET):
        with pytest.raises(BadRequest, match="WebM"):
            packets.feed(piece)


@given(st.lists(st.binary(max_size=60) | st.just(OGG[:200]) | st.just(PACKET)))
def test_an_ogg_stream_that_has_begun_is_never_refused(pieces: list[bytes]) -> None:
    packets = OpusPackets()
    packets.feed(OGG[:300])
    for piece in pieces:
        assert all(map(is_opus, packets.feed(piece)))


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
def test_the_duration_of_opus_packets(packet: bytes, ms: float) -> None:
    assert ms == opus_ticks(packet) / 16


FITTING = [
    # format, what is appended, what fits into a tenth of a second
    (AudioFormat("pcm", 24_000), bytes(4_800), 4_800),
    (AudioFormat("pcm", 24_000), bytes(9_601), 4_800),
    (AudioFormat("pcm", 8_000), bytes(9_600), 1_600),
    (AudioFormat("ulaw", 8_000), bytes(9_600), 800),
    (AudioFormat("opus", 16_000), bytes([0x08]), 1),  # 20 ms
]


@pytest.mark.parametrize(("form", "data", "size"), FITTING)
def test_a_part_is_cut_at_a_position(form: AudioFormat, data: bytes, size: int) -> None:
    intake = Intake(form, 16_000)
    assert size == len(intake.fitting(data, SECOND // 10))
    assert size >= len(data) or intake.most(len(data)) > 0.1
    while fitting := intake.fitting(data, SECOND // 10):
        intake.feed(fitting)

    assert SECOND // 10 == pytest.approx(intake.position, abs=1)
    assert b"" == intake.fitting(data, 0)
