"""Appended audio becomes the same PCM however it is split: PCM at both rates, Opus in Ogg and as raw packets."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from compat.emulator.engines.tones import Decoder
from compat.emulator.realtime.audio_input import Intake, intake
from compat.emulator.realtime.messages import Refused
from tests.emulator.realtime.talk import spoken
from tests.emulator.recordings import encoded, wav

WORDS = ["amber", "river", "garnet"]


def words(taken: Intake, pieces: list[bytes]) -> list[str]:
    decoder = Decoder()
    heard = [word for piece in pieces for word in decoder.feed(taken.feed(piece))]
    return [word.text for word in [*heard, *decoder.flush()]]


def cut(audio: bytes, size: int) -> list[bytes]:
    return [audio[at : at + size] for at in range(0, len(audio), size)]


@pytest.fixture(scope="module")
def ogg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opus")
    return encoded(wav(folder / "a.wav", spoken(*WORDS)), folder / "a.ogg", "libopus", rate=16_000)


@pytest.mark.parametrize("size", [1, 3, 320, 3_201, 100_000])
@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_pcm(rate: int, size: int) -> None:
    audio = spoken(*WORDS, rate=rate)
    taken = intake("pcm", rate)

    assert words(taken, cut(audio if size > 3 else audio[:16_000], size))[:1] == WORDS[:1]
    assert b"".join(map(intake("pcm", rate).feed, cut(audio, 3_201))) == b"".join(
        map(intake("pcm", rate).feed, cut(audio, 1_602))
    )


@pytest.mark.parametrize("size", [1, 26, 27, 100, 1_000, 1_000_000])
def test_opus_in_ogg(ogg: Path, size: int) -> None:
    assert words(intake("opus", 16_000), cut(ogg.read_bytes(), size)) == WORDS


def test_bare_opus_packets(ogg: Path) -> None:
    with av.open(str(ogg)) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    assert words(intake("opus", 16_000), packets) == WORDS


def test_audio_other_than_opus_is_refused() -> None:
    taken = intake("opus", 16_000)

    with pytest.raises(Refused, match="not an Ogg stream"):
        taken.feed(b"OggS" + bytes(23) + b"no page follows this one, as it should")
    with pytest.raises(Refused, match="not Opus"):
        intake("opus", 16_000).feed(b"\xff\xff\xff\xff not a packet")
